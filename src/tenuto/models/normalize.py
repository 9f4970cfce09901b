"""Batch normalisation of maps that counts sound and not padding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tenuto.frontend.importance import MaskedBatchNorm1d
from tenuto.frontend.lengths import length_mask


class MaskedBatchNorm(nn.Module):
    """Batch norm of maps whose statistics are those of the valid frames alone; frames beyond come out 0.

    At the entrance of a backbone it brings channels of very different scale (a log-mel around -10 beside an
    encoding in [-1, 1]) to mean 0 and variance 1.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.norm = MaskedBatchNorm1d(n_channels)

    def forward(self, maps: Tensor, lengths: Tensor | None = None) -> Tensor:
        """maps (batch, channel, band, frame), lengths (batch,) frames or None: all -> the same shape."""
        n_bands, n_frames = maps.shape[-2:]
        if self.training and lengths is not None and bool((lengths >= n_frames).all()):
            lengths = None  # nothing to mask: the fused kernel is several times faster
        if lengths is None and not (self.training and maps.numel() == maps.shape[1]):
            normalised: Tensor = self.norm(maps.flatten(2))
            return normalised.view(maps.shape)
        if lengths is None:  # a single cell a channel, which the fused kernel refuses to train on
            lengths = maps.new_full((1,), n_frames, dtype=torch.int64)
        valid = length_mask(lengths, n_frames)
        cells = valid[:, None].expand(-1, n_bands, -1).flatten(1)
        # float32: in half precision the count of cells overflows
        masked: Tensor = self.norm(maps.flatten(2).float(), cells).view(maps.shape)
        return (masked * valid[:, None, None]).to(maps.dtype)
