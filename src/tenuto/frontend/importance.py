"""How much of each frame is kept: the importance network, and what is said about its result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenuto.errors import UsageError
from tenuto.frontend.lengths import eager_on_cpu, silent_beyond
from tenuto.frontend.masked_norm import MaskedBatchNorm2d, apply_norm

Folded = tuple[Tensor, Tensor]  # weight (out, in, 1, tap) and bias (out,) of a convolution and the batch norm behind it
Normalizer = Literal["mean", "reduction"]
KERNEL_SIZE = 5
_PACKED_BELOW = 0.9  # of the padded batch: clips end to end save time
WIDTHS = (64, 32, 16, 8, 1)  # Table 6
EMPTY_BELOW = 1e-4  # epsilon of Eqs. 4 and 7, section 3
Pair = tuple[nn.Conv1d, MaskedBatchNorm2d]


class FrameConv(nn.Conv1d):
    """nn.Conv1d, of frames (batch, n_in, frame) or of images one pixel high (batch, n_in, 1, frame)."""

    def forward(self, x: Tensor) -> Tensor:
        """-> (batch, n_out, frame), or (batch, n_out, 1, frame), a frame's channels together."""
        if x.dim() == 3:
            return super().forward(x)
        return _convolve(x, self, _frames_together(self.weight), self.bias)


class ResConv1d(nn.Module):
    """Two convolutions of kernel 5, each with batch norm and leaky ReLU, an identity round the second (Figure 3).

    Frames are images one pixel high, (batch, n_in, 1, frame) -> (batch, n_out, 1, frame): of images PyTorch leaves a
    frame's channels together, as the filterbank has them, where convolutions and batch norms are fastest. Zeros
    beyond the clip, as beyond the tensor. The last block of the importance network leaves out the last leaky ReLU,
    so that the sigmoid behind it sees both signs. In evaluation the batch norms are folded into the convolutions,
    here or, of many blocks at once, before.
    """

    def __init__(self, n_in: int, n_out: int, dilation: int = 1, last_activation: bool = True) -> None:
        super().__init__()
        padding = dilation * (KERNEL_SIZE // 2)
        self.conv1 = FrameConv(n_in, n_out, KERNEL_SIZE, padding=padding, dilation=dilation)
        self.norm1 = MaskedBatchNorm2d(n_out)
        self.conv2 = FrameConv(n_out, n_out, KERNEL_SIZE, padding=padding, dilation=dilation)
        self.norm2 = MaskedBatchNorm2d(n_out)
        self.last_activation = last_activation

    @property
    def pairs(self) -> tuple[Pair, Pair]:
        """Both convolutions, each with the batch norm behind it."""
        return (self.conv1, self.norm1), (self.conv2, self.norm2)

    def forward(self, x: Tensor, valid: Tensor | None = None, folded: Sequence[Folded | None] = (None, None)) -> Tensor:
        """x (batch, n_in, 1, frame), zero where valid (batch, frame) is not one -> (batch, n_out, 1, frame), too."""
        first = F.leaky_relu(_conv_norm(x, self.conv1, self.norm1, valid, folded[0]), inplace=True)
        second = _conv_norm(first, self.conv2, self.norm2, valid, folded[1])
        if self.last_activation:
            second = F.leaky_relu(second, inplace=True)
        return first + second if torch.is_grad_enabled() else second.add_(first)


def _conv_norm(
    x: Tensor, conv: nn.Conv1d, norm: MaskedBatchNorm2d, valid: Tensor | None, folded: Folded | None
) -> Tensor:
    """(batch, n_in, 1, frame) -> (batch, n_out, 1, frame), zero beyond what is valid, as the next zero padding is."""
    if norm.training or not _folds(conv, norm):
        convolved = apply_norm(norm, conv(x), valid)
        convolved = convolved.clone() if _hooked(norm) else convolved  # it is written into, and a hook may keep it
        if norm.training:
            return convolved
    else:
        convolved = _convolve(x, conv, *(fold([(conv, norm)])[0] if folded is None else folded))
    return convolved if valid is None else _silenced(convolved, valid)


def _folds(conv: nn.Module, norm: nn.Module) -> bool:
    """Whether they are called as they are here, by nobody's else code: in evaluation they may be one convolution.

    Not where one was replaced (adapters), or has hooks, or where statistics are the batch's.
    """
    ours = type(conv).forward is FrameConv.forward and type(norm).forward is MaskedBatchNorm2d.forward
    return ours and norm.running_var is not None and not (_hooked(conv) or _hooked(norm))


def _hooked(module: nn.Module) -> bool:
    """Whether somebody listens to its calls, or makes its weights at each (pruning)."""
    heard = module._forward_hooks or module._forward_pre_hooks
    return bool(heard or module._backward_hooks or module._backward_pre_hooks)


def _silenced(x: Tensor, valid: Tensor) -> Tensor:
    """x (batch, channel, 1, frame), which is not needed again, zero where valid (batch, frame) is.

    Of one row, which may be clips end to end, by their places: a product would let what is no number, of one clip,
    across the gap into the next.
    """
    if eager_on_cpu(valid) and valid.shape[0] == 1:
        outside = (valid[0] == 0).nonzero()[:, 0]
        return x.index_fill(3, outside, 0) if torch.is_grad_enabled() else x.index_fill_(3, outside, 0)
    return x * valid[:, None, None] if torch.is_grad_enabled() else x.mul_(valid[:, None, None])


def fold(pairs: Sequence[Pair]) -> list[Folded]:
    """Convolutions and the batch norms behind them, as they are in evaluation -> weight and bias of each pair.

    Statistics of all one behind the other, since each operation costs more than its few numbers.
    """
    convs, norms = zip(*pairs, strict=True)
    if len({norm.eps for norm in norms}) > 1:
        return [fold([pair])[0] for pair in pairs]
    variance = torch.cat([norm.running_var for norm in norms]) + norms[0].eps
    scale = torch.cat([norm.weight for norm in norms]) * torch.rsqrt(variance)
    centred = torch.cat([conv.bias for conv in convs]) - torch.cat([norm.running_mean for norm in norms])
    bias = centred * scale + torch.cat([norm.bias for norm in norms])
    sizes = [conv.out_channels for conv in convs]
    scales, biases = torch.split(scale[:, None, None], sizes), torch.split(bias, sizes)
    return [(_scaled(conv.weight, each), bias) for conv, each, bias in zip(convs, scales, biases, strict=True)]


def _scaled(weight: Tensor, scale: Tensor) -> Tensor:
    """weight (out, in, tap) times scale (out, 1, 1) -> (out, in, 1, tap), a tap's channels together."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return _frames_together(weight * scale)
    together = torch.empty_like(weight.mT, memory_format=torch.contiguous_format).mT
    return torch.mul(weight, scale, out=together)[:, :, None]


def _frames_together(weight: Tensor) -> Tensor:
    """weight (out, in, tap) -> (out, in, 1, tap), a tap's channels together."""
    return weight[:, :, None].contiguous(memory_format=torch.channels_last)


def _convolve(x: Tensor, conv: nn.Conv1d, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`conv` with these weights, of images one pixel high: two thirds of the time (benchmarks/layer_cost.py)."""
    padding, dilation = (0, int(conv.padding[0])), (1, int(conv.dilation[0]))
    return F.conv2d(x, weight, bias, padding=padding, dilation=dilation)


class FrameImportance(nn.Module):
    """The network H of Eq. 3: five ResConv1d of n_bands-64-32-16-8-1, 82,371 parameters at 128 bands (Table 6).

    Spectrogram, compressed, (batch, band, frame) -> logits (batch, frame). Sees 40 x dilation + 1 frames. Starts
    near uniform importance, which is average pooling: the last block's batch norms start at a weight of 0.1.
    """

    def __init__(self, n_bands: int, dilation: int = 1) -> None:
        super().__init__()
        if n_bands < 1 or dilation < 1:
            raise UsageError(f"n_bands is {n_bands}, dilation {dilation}; wanted at least 1 of each")
        sizes = zip((n_bands, *WIDTHS), WIDTHS, strict=False)
        blocks = [ResConv1d(n_in, n_out, dilation, last_activation=n_out != 1) for n_in, n_out in sizes]
        self.blocks = nn.ModuleList(blocks)
        self.gap = dilation * (KERNEL_SIZE // 2)  # between clips, across which no convolution reaches
        for norm in (blocks[-1].norm1, blocks[-1].norm2):
            nn.init.constant_(norm.weight, 0.1)

    def forward(self, spectrogram: Tensor, valid: Tensor | None = None) -> Tensor:
        """Spectrogram (batch, band, frame), valid bool (batch, frame), a clip's first frames, or None: all ->
        logits (batch, frame), zero beyond each clip.
        """
        if valid is None or not _worth_packing(valid, self.gap):
            return self._logits(spectrogram, valid)
        lengths: list[int] = valid.sum(1).tolist()
        x, inside = _end_to_end(spectrogram, lengths, self.gap)
        clips = torch.split(self._logits(x, inside)[0], [n + self.gap for n in lengths])
        return torch.stack([F.pad(clip[:n], (0, valid.shape[1] - n)) for clip, n in zip(clips, lengths, strict=True)])

    def _logits(self, spectrogram: Tensor, valid: Tensor | None) -> Tensor:
        x = spectrogram
        if valid is not None:
            x, valid = silent_beyond(x, valid), valid.to(x.dtype)
        x = x.mT.contiguous().mT[:, :, None]  # a frame's bands together, as `_convolve` likes it
        pairs = [pair for block in self.blocks for pair in block.pairs]  # type: ignore[union-attr]
        evaluates = not torch.is_grad_enabled() and not any(
            norm.training or not _folds(conv, norm) for conv, norm in pairs
        )
        folded = fold(pairs) if evaluates else [None] * len(pairs)
        for i, block in enumerate(self.blocks):
            x = block(x, valid, folded[2 * i : 2 * i + 2])
        return x[:, 0, 0]


def _worth_packing(valid: Tensor, gap: int) -> bool:
    """Whether clips one behind the other are less to read than clips padded to the longest; not where asking waits."""
    if valid.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    return int(valid.sum()) + gap * valid.shape[0] < _PACKED_BELOW * valid.numel()


def _end_to_end(spectrogram: Tensor, lengths: list[int], gap: int) -> tuple[Tensor, Tensor]:
    """(batch, band, frame) -> clips one behind the other, `gap` zeros after each, (1, band, frame); where they are."""
    clips = spectrogram.mT
    space, outside = clips.new_zeros(gap, clips.shape[2]), clips.new_zeros(gap, dtype=torch.bool)
    frames = [part for clip, n in zip(clips, lengths, strict=True) for part in (clip[:n], space)]
    inside = [part for n in lengths for part in (clips.new_ones(n, dtype=torch.bool), outside)]
    return torch.cat(frames)[None].mT, torch.cat(inside)[None]


def frame_energy(energies: Tensor) -> Tensor:
    """Root mean square over bands: energies (batch, band, frame) -> (batch, frame)."""
    norm: Tensor = torch.linalg.vector_norm(energies, dim=1)
    return norm / math.sqrt(energies.shape[1])


def guide_loss(importance: Tensor, empty: Tensor, normalizer: Tensor | float, guide_lambda: float = 0.5) -> Tensor:
    """Eq. 7, with the sign that punishes: mean over empty frames of (s_i / normalizer - lambda)^+, then over clips.

    importance (batch, frame), empty bool (batch, frame), normalizer (batch, 1) or a number: the mean importance
    (the authors' code) or the reduction rate (as printed). A clip without an empty frame has loss 0. -> ()
    """
    excess, counts = (importance / normalizer - guide_lambda).clamp_min(0), empty.to(importance.dtype)
    return ((excess * counts).sum(1) / counts.sum(1).clamp_min(1)).mean()


def activeness(importance: Tensor, active: Tensor, normalizer: Tensor | float) -> Tensor:
    """Eq. 4: standard deviation of importance over active frames, / normalizer, averaged over clips. -> ()

    importance (batch, frame), active bool (batch, frame). A clip without an active frame has activeness 0. Not a
    loss: no gradient.
    """
    importance, counts = importance.detach(), active.to(importance.dtype)
    n = counts.sum(1, keepdim=True).clamp_min(1)
    mean = (importance * counts).sum(1, keepdim=True) / n
    deviation: Tensor = torch.linalg.vector_norm((importance - mean) * counts, dim=1, keepdim=True) / n.sqrt()
    return (deviation / normalizer).mean()
