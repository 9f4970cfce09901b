"""Batch normalisation of maps that counts sound and not padding."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from tenuto.frontend.lengths import eager_on_cpu, length_mask
from tenuto.frontend.masked_norm import MaskedBatchNorm2d

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
        if self.training and lengths is not None and bool((lengths >= n_frames).all()):
            lengths = None  # nothing to mask: the fused kernel is several times faster
        if lengths is None and not (self.training and maps.numel() == maps.shape[1]):
            normalised: Tensor = self.norm(maps)
            return normalised
        if lengths is None:  # a single cell a channel, which the fused kernel refuses to train on
            lengths = maps.new_full((1,), n_frames, dtype=torch.int64)
        # in half precision the count of cells overflows
        exact = maps.to(torch.promote_types(maps.dtype, torch.float32))
        if self.training and eager_on_cpu(maps) and maps.numel() >= _MANY_CELLS and maps.stride(1) != 1:
            return self._packed(exact, lengths.clamp(0, n_frames).tolist()).to(maps.dtype)
        valid = length_mask(lengths, n_frames)
        masked: Tensor = self.norm(exact, valid)
        return (masked * valid[:, None, None]).to(maps.dtype)

    def _packed(self, maps: Tensor, frames: list[int]) -> Tensor:
        """As with masks, on a CPU, in training: valid cells alone through the fused kernel, in a half to a third."""
        cells = self.norm(_Pack.apply(maps, frames)[None, :, None])[0, :, 0]
        normalised: Tensor = _Unpack.apply(cells, maps.shape, frames)
        return normalised


class _Pack(torch.autograd.Function):
    """maps (batch, channel, band, frame) -> the valid cells of all clips, one behind the other, (channel, cell)."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, frames: list[int]) -> Tensor:
        ctx.shape, ctx.frames = maps.shape, frames
        return _pack(maps, frames)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _unpack(gradients[0], ctx.shape, ctx.frames), None


class _Unpack(torch.autograd.Function):
    """The way back: cells (channel, cell) -> maps (batch, channel, band, frame), zero beyond each clip."""

    @staticmethod
    def forward(ctx: Any, cells: Tensor, shape: torch.Size, frames: list[int]) -> Tensor:
        ctx.frames = frames
        return _unpack(cells, shape, frames)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _pack(gradients[0], ctx.frames), None, None


def _pack(maps: Tensor, frames: list[int]) -> Tensor:
    _, n_channels, n_bands, _ = maps.shape
    cells = maps.new_empty(n_channels, n_bands * sum(frames))
    for into, clip, n in zip(_clips(cells, n_bands, frames), maps, frames, strict=True):
        into.copy_(clip[..., :n])
    return cells


def _unpack(cells: Tensor, shape: torch.Size, frames: list[int]) -> Tensor:
    maps = cells.new_empty(shape)
    for clip, of_clip, n in zip(_clips(cells, shape[2], frames), maps, frames, strict=True):
        of_clip[..., :n] = clip
        of_clip[..., n:] = 0
    return maps


def _clips(cells: Tensor, n_bands: int, frames: list[int]) -> list[Tensor]:
    """cells (channel, cell) -> those of each clip, (channel, band, frame)."""
    edges = accumulate((n * n_bands for n in frames), initial=0)
    spans = zip(pairwise(edges), frames, strict=True)
    return [cells[:, first:last].view(len(cells), n_bands, n) for (first, last), n in spans]
