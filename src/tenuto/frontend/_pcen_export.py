"""PCEN's recursion in operators that exported graphs have, the same ones whatever the number of frames."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_BLOCK = 32  # frames
_LEVELS = 4  # of blocks of blocks: 32^4 frames are three hours at 10 ms


def recur(values: Tensor, gain: Tensor, decay: Tensor, before: Tensor, levels: int = _LEVELS) -> Tensor:
    """y[k] = decay y[k - 1] + gain x[k] (batch, band, frame), y[-1] = before (batch, band), of any number of frames.

    In blocks of blocks of 32 frames: _LEVELS of them, of which the last takes no more than one block.
    """
    n_frames = values.shape[-1]
    n_blocks = (n_frames + _BLOCK - 1) // _BLOCK
    blocks = F.pad(values, (0, n_blocks * _BLOCK - n_frames)).view(*values.shape[:2], n_blocks, _BLOCK)
    frame = torch.arange(_BLOCK, device=values.device)
    lag = frame - frame[:, None]
    powers = decay[:, None].pow(torch.arange(_BLOCK + 1, device=decay.device, dtype=decay.dtype))  # (band, _BLOCK + 1)
    within = (gain[:, None] * powers)[:, lag.clamp_min(0)] * (lag >= 0)  # (band, from, to)
    starts = before[..., None]
    if levels > 1:
        ends = (blocks @ within[:, :, -1:]).squeeze(-1)  # (batch, band, block)
        handed = recur(ends, torch.ones_like(decay), powers[:, -1], before, levels - 1)
        starts = torch.cat([starts, handed[..., :-1]], -1)
    recurred = blocks @ within + starts[..., None] * powers[:, None, 1:]
    flat: Tensor = recurred.flatten(-2)
    return flat[..., :n_frames]
