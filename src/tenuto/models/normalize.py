"""Batch normalisation of maps that counts sound and not padding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tenuto.frontend.lengths import eager_on_cpu, length_mask, seen_whole
from tenuto.frontend.masked_norm import Clips, MaskedBatchNorm2d, apply_norm

_MANY_CELLS = 2**19  # below, masks are quicker than a loop over clips


class MaskedBatchNorm(nn.Module):
    """Batch norm of maps whose statistics are those of the valid frames alone; frames beyond come out 0.

    At the entrance of a backbone it brings channels of very different scale (a log-mel around -10 beside an
    encoding in [-1, 1]) to mean 0 and variance 1.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.norm = MaskedBatchNorm2d(n_channels)

    def forward(self, maps: Tensor, lengths: Tensor | None = None) -> Tensor:
        """maps (batch, channel, band, frame), lengths (batch,) frames or None: all -> the same shape."""
        n_frames = maps.shape[-1]
        if self.training and lengths is not None and seen_whole(lengths, n_frames):
            lengths = None  # nothing to mask: the fused kernel is several times faster
        if lengths is None and not (self.training and maps.numel() == maps.shape[1]):
            normalised: Tensor = self.norm(maps)
            return normalised
        if lengths is None:  # a single cell a channel, which the fused kernel refuses to train on
            lengths = maps.new_full((1,), n_frames, dtype=torch.int64)
        # in half precision the count of cells overflows
        exact = maps.to(torch.promote_types(maps.dtype, torch.float32))
        is_ours = isinstance(self.norm, MaskedBatchNorm2d)  # and not what it was converted to
        if self.training and is_ours and eager_on_cpu(maps) and maps.numel() >= _MANY_CELLS and maps.stride(1) != 1:
            clips = Clips(lengths.clamp(0, n_frames).tolist(), maps.shape)  # in a half to a third of the time
            return self.norm.packed(exact, clips).to(maps.dtype)
        valid = length_mask(lengths, n_frames)
        masked = apply_norm(self.norm, exact, valid)
        return (masked if self.training else masked * valid[:, None, None]).to(maps.dtype)
