"""Batch norm that counts sound and not padding."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from tenuto.frontend.lengths import eager_on_cpu


class MaskedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm of images (batch, channel, height, frame), whose statistics are those of the valid frames alone.

    Frames are images one pixel high: of images PyTorch's own batch norm leaves a frame's channels together in memory.
    """

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """x (batch, channel, height, frame), valid (batch, frame) of ones and zeros or None: all -> the same shape.

        In training zero beyond the valid frames; in evaluation there is nothing to count, and nothing is masked.
        """
        if valid is None or not self.training:
            return super().forward(x)
        if eager_on_cpu(x) and x.stride(1) == 1:
            return self._packed(x, valid)
        return self._masked(x, valid[:, None, None])

    def _packed(self, x: Tensor, valid: Tensor) -> Tensor:
        """Where a pixel's channels lie together: the valid pixels alone through the fused kernel, in half the time."""
        where = valid[:, None].expand(-1, x.shape[2], -1).reshape(-1).nonzero()[:, 0]
        if len(where) < 2:  # which the fused kernel refuses to train on
            return self._masked(x, valid[:, None, None])
        assert self.momentum is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        running = self.running_mean, self.running_var
        packed = F.batch_norm(_Pack.apply(x, where), *running, self.weight, self.bias, True, self.momentum, self.eps)
        unpacked: Tensor = _Unpack.apply(packed, where, x.shape)
        return unpacked

    def _masked(self, x: Tensor, valid: Tensor) -> Tensor:
        """By its definition: valid (batch, 1, 1, frame)."""
        n = (valid.sum() * x.shape[2]).clamp_min(1)
        mean = (x * valid).sum((0, 2, 3)) / n
        centred = x - mean[:, None, None]
        variance = (centred.square() * valid).sum((0, 2, 3)) / n
        self._follow(mean.detach(), variance.detach() * (n / (n - 1).clamp_min(1)))
        assert self.weight is not None
        assert self.bias is not None
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]) * valid

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance, self.momentum)


class _Pack(torch.autograd.Function):
    """images (batch, channel, height, frame), where (n,) of their pixels -> those pixels, (n, channel)."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, where: Tensor) -> Tensor:
        ctx.shape = images.shape
        ctx.save_for_backward(where)
        return _pixels(images).index_select(0, where)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (where,) = ctx.saved_tensors
        return _unpack(gradients[0], where, ctx.shape), None


class _Unpack(torch.autograd.Function):
    """The way back: (n, channel) -> images, zero elsewhere."""

    @staticmethod
    def forward(ctx: Any, packed: Tensor, where: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(where)
        return _unpack(packed, where, shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (where,) = ctx.saved_tensors
        return _pixels(gradients[0]).index_select(0, where), None, None


def _unpack(packed: Tensor, where: Tensor, shape: torch.Size) -> Tensor:
    """As a tensor of its own, since a view that is written into has a long way back."""
    images = torch.empty(shape, dtype=packed.dtype, memory_format=torch.channels_last).zero_()
    _pixels(images).index_copy_(0, where, packed)
    return images


def _pixels(images: Tensor) -> Tensor:
    """(batch, channel, height, frame) -> (batch x height x frame, channel)."""
    return images.permute(0, 2, 3, 1).reshape(-1, images.shape[1])
