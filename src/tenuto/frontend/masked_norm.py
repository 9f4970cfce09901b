"""Batch norm that counts sound and not padding."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from tenuto.errors import UsageError
from tenuto.frontend.lengths import eager_on_cpu


class MaskedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm of images (batch, channel, height, frame), whose statistics are those of the valid frames alone.

    Frames are images one pixel high: of images PyTorch's own batch norm leaves a frame's channels together in memory.
    """

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """x (batch, channel, height, frame), valid (batch, frame) of ones and zeros or None: all -> the same shape.

        In training zero beyond the valid frames; in evaluation there is nothing to count, and nothing is masked,
        unless there are no running statistics: then the batch's are taken in evaluation, too.
        """
        if valid is None or not (self.training or self.running_var is None):
            return super().forward(x)
        if eager_on_cpu(x) and x.stride(1) == 1:
            where = valid[:, None].expand(-1, x.shape[2], -1).reshape(-1).nonzero()[:, 0]
            if len(where) > 1:  # the fused kernel refuses to train on one
                return self.packed(x, Pixels(where, x.shape))
        return self._masked(x, valid[:, None, None])

    def packed(self, x: Tensor, packing: Pixels | Clips) -> Tensor:
        """By the batch's statistics: what `packing` takes of x (batch, channel, height, frame), in the fused kernel."""
        running = self.running_mean, self.running_var
        share = 0.0 if self.running_var is None else self._share_of_next()
        taken = F.batch_norm(_Pack.apply(x, packing), *running, self.weight, self.bias, True, share, self.eps)
        unpacked: Tensor = _Unpack.apply(taken, packing)
        return unpacked

    def _masked(self, x: Tensor, valid: Tensor) -> Tensor:
        """By its definition: valid (batch, 1, 1, frame)."""
        n = (valid.sum() * x.shape[2]).clamp_min(1)
        mean = (x * valid).sum((0, 2, 3)) / n
        centred = x - mean[:, None, None]
        variance = (centred.square() * valid).sum((0, 2, 3)) / n
        self._follow(mean.detach(), variance.detach() * (n / (n - 1).clamp_min(1)), n > 1)
        assert self.weight is not None
        assert self.bias is not None
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]) * valid

    def _follow(self, mean: Tensor, variance: Tensor, counts: Tensor) -> None:
        """Not where counts () is false: what has no variance says nothing of others. No GPU is waited for."""
        if self.running_mean is None or self.running_var is None:
            return
        share = self._share_of_next(counts) * counts.to(mean.dtype)
        with torch.no_grad():
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance, share)

    def _share_of_next(self, counts: Tensor | bool = True) -> float:
        """Counts a batch; -> its share in the running statistics: momentum, or where that is None of all alike."""
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(counts)
        return 1 / max(1.0, float(self.num_batches_tracked)) if self.momentum is None else self.momentum


def apply_norm(norm: nn.Module, x: Tensor, valid: Tensor | None) -> Tensor:
    """`norm` of x (batch, channel, height, frame), in training of the valid frames alone; valid (batch, frame) or None.

    Raises UsageError for a norm of another kind (torch.nn.SyncBatchNorm.convert_sync_batchnorm) before padded clips.
    """
    if isinstance(norm, MaskedBatchNorm2d):
        normalised: Tensor = norm(x, valid)
        return normalised
    if valid is not None and norm.training:
        raise UsageError(
            f"{type(norm).__name__} in place of MaskedBatchNorm2d would count padding as sound; "
            "wanted clips of one length, or the norm that was there"
        )
    other: Tensor = norm(x)
    return other


class Pixels(NamedTuple):
    """Of images (batch, channel, height, frame), a pixel's channels together: pixels `where` (n,) -> (n, channel)."""

    where: Tensor
    shape: torch.Size  # of the images

    def pack(self, images: Tensor) -> Tensor:
        """Those pixels."""
        return _pixels(images).index_select(0, self.where)

    def unpack(self, packed: Tensor) -> Tensor:
        """Images, zero elsewhere; a tensor of its own, since a view that is written into has a long way back."""
        dtype, device = packed.dtype, packed.device
        images = torch.empty(self.shape, dtype=dtype, device=device, memory_format=torch.channels_last).zero_()
        _pixels(images).index_copy_(0, self.where, packed)
        return images


def _pixels(images: Tensor) -> Tensor:
    """(batch, channel, height, frame) -> (batch x height x frame, channel)."""
    return images.permute(0, 2, 3, 1).reshape(-1, images.shape[1])


class Clips(NamedTuple):
    """Of images, channels apart: each clip's first frames, one clip behind the other -> (1, channel, cell)."""

    frames: Sequence[int]  # of each clip
    shape: torch.Size  # of the images

    def pack(self, images: Tensor) -> Tensor:
        """The cells of those frames."""
        _, n_channels, height, _ = self.shape
        cells = images.new_empty(1, n_channels, height * sum(self.frames))
        for into, clip, n in zip(self._of(cells), images, self.frames, strict=True):
            into.copy_(clip[..., :n])
        return cells

    def unpack(self, packed: Tensor) -> Tensor:
        """Images, zero beyond each clip."""
        images = packed.new_empty(self.shape)
        for clip, of_clip, n in zip(self._of(packed), images, self.frames, strict=True):
            of_clip[..., :n] = clip
            of_clip[..., n:] = 0
        return images

    def _of(self, cells: Tensor) -> list[Tensor]:
        """Those of each clip, (channel, height, frame)."""
        _, n_channels, height, _ = self.shape
        edges = accumulate((n * height for n in self.frames), initial=0)
        spans = zip(pairwise(edges), self.frames, strict=True)
        return [cells[0, :, first:last].view(n_channels, height, n) for (first, last), n in spans]


class _Pack(torch.autograd.Function):
    """Images -> what a packing takes of them."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, packing: Pixels | Clips) -> Tensor:
        ctx.packing = packing
        return packing.pack(images)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.packing.unpack(gradients[0]), None


class _Unpack(torch.autograd.Function):
    """The way back."""

    @staticmethod
    def forward(ctx: Any, packed: Tensor, packing: Pixels | Clips) -> Tensor:
        ctx.packing = packing
        return packing.unpack(packed)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.packing.pack(gradients[0]), None
