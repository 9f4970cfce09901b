"""Per-channel energy normalisation (arXiv 1607.05666), learnable as in LEAF, its recursion in blocks."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenuto.errors import UsageError
from tenuto.frontend._pcen_export import recur
from tenuto.frontend.compression import Compression
from tenuto.frontend.impulse_responses import project
from tenuto.frontend.lengths import checked_lengths, is_exporting, length_mask, silent_beyond

_ENERGY_FLOOR = 1e-5  # LEAF floors what its filterbank says before PCEN sees it
_DELTA_MIN = 1e-4  # delta ** (1 / root) has no slope at 0, and none below (the published layer's NaN)
_ONE_BLOCK = 16  # frames, up to which one block is all
_BLOCK = 32  # frames, at most: a block costs half as many products a frame, its carry one in so many


def smooth(energies: Tensor, coefficient: Tensor, before: Tensor | None = None, floor: float = 0.0) -> Tensor:
    """M[k] = (1 - s) M[k - 1] + s E[k], exactly, plus floor: energies (batch, band, frame) -> the same shape.

    coefficient s (band,) in [0, 1]; before (batch, band): M of the frame before the first, or None: M[0] = E[0].
    """
    if is_exporting():
        return recur(energies, coefficient, 1 - coefficient, _start(energies, before)) + floor
    if torch.compiler.is_compiling():
        return _recur(energies, coefficient, 1 - coefficient, _start(energies, before), floor)
    smoothed: Tensor = _Smoothed.apply(energies, coefficient, before, floor)
    return smoothed


def _start(energies: Tensor, before: Tensor | None) -> Tensor:
    return energies[..., 0] if before is None else before


class _Smoothed(torch.autograd.Function):
    """`smooth`, whose way back is the same recursion from the last frame to the first."""

    @staticmethod
    def forward(ctx: Any, energies: Tensor, coefficient: Tensor, before: Tensor | None, floor: float) -> Tensor:
        smoothed = _recur(energies, coefficient, 1 - coefficient, _start(energies, before), floor)
        ctx.save_for_backward(energies, coefficient, before, smoothed)
        ctx.floor = floor
        return smoothed

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        energies, coefficient, before, smoothed = ctx.saved_tensors
        decay, of_coefficient = 1 - coefficient, None
        nothing, ones = torch.zeros_like(gradients[0][..., 0]), torch.ones_like(coefficient)
        reached = _recur(gradients[0], ones, decay, nothing, backwards=True)  # of each frame's mean
        if ctx.needs_input_grad[1]:  # (1 - s) M[k - 1] + s E[k]
            change = (energies[..., 1:] - smoothed[..., :-1]).add_(ctx.floor)
            of_coefficient = torch.linalg.vecdot(reached[..., 1:], change).sum(0)
            if before is not None:
                of_coefficient += (reached[..., 0] * (energies[..., 0] - before)).sum(0)
        of_before, of_energies = reached[..., 0] * decay, reached.mul_(coefficient[:, None])
        if before is None:
            of_energies[..., 0] += of_before
        return of_energies, of_coefficient, None if before is None else of_before, None


def _recur(
    values: Tensor, gain: Tensor, decay: Tensor, before: Tensor, floor: float = 0.0, backwards: bool = False
) -> Tensor:
    """y[k] = decay y[k - 1] + gain x[k] (batch, band, frame), y[-1] = before (batch, band); plus floor.

    Within a block of frames that is a triangular matrix; what blocks hand on follows the same recursion, with the
    decay of a whole block. (So nothing is ever divided by a power of the decay, which may underflow.) Backwards it is
    y[k] = decay y[k + 1] + gain x[k], with nothing behind the last frame: `before` is zero.
    """
    n_frames = values.shape[-1]
    size = _block_length(n_frames)
    n_blocks = -(-n_frames // size)
    if n_blocks * size > n_frames:
        values = F.pad(values, (0, n_blocks * size - n_frames))
    blocks = values.view(*values.shape[:2], n_blocks, size)
    powers = decay[:, None].pow(torch.arange(size + 1, device=decay.device, dtype=decay.dtype))  # (band, size + 1)
    later = F.pad(gain[:, None] * powers[:, :size], (size - 1, 0))  # nothing goes back in time
    within = later.unfold(1, size, 1).flip(1)  # (band, from, to)
    handed = powers[:, None, 1:]  # to a block's frames
    if backwards:
        within, handed = within.mT, handed.flip(-1)
    starts = before[..., None]
    if n_blocks > 1:
        giving, last = (slice(1, None), 0) if backwards else (slice(-1), -1)
        ends = blocks[:, :, giving] @ within[:, :, last, None]
        carried = _recur(ends.squeeze(-1), torch.ones_like(decay), powers[:, -1], before, backwards=backwards)
        starts = torch.cat([carried, starts] if backwards else [starts, carried], -1)
    handed_on = torch.addcmul(values.new_full((), floor), starts[..., None], handed)
    weights = within.expand(values.shape[0], -1, -1, -1).flatten(0, 1)
    recurred = torch.baddbmm(handed_on.flatten(0, 1), blocks.flatten(0, 1), weights)
    return recurred.view(values.shape)[..., :n_frames]


def _compressed(energies: Tensor, mean: Tensor, alpha: Tensor, delta: Tensor, power: Tensor) -> Tensor:
    """(E / M^alpha + delta)^power - delta^power: E, M > 0 (batch, band, frame), the others (band, 1)."""
    if torch.compiler.is_compiling():
        return torch.addcmul(delta, energies, mean.pow(-alpha)).pow(power) - delta.pow(power)
    compressed: Tensor = _Compressed.apply(energies, mean, alpha, delta, power)
    return compressed


class _Compressed(torch.autograd.Function):
    """Its derivatives by hand, in half the passes and little memory: of u = E g + delta, g = M^-alpha."""

    @staticmethod
    def forward(ctx: Any, energies: Tensor, mean: Tensor, alpha: Tensor, delta: Tensor, power: Tensor) -> Tensor:
        gain = mean.pow(-alpha)
        u = torch.addcmul(delta, energies, gain)
        least = delta.pow(power)
        compressed = u.pow(power).sub_(least)
        ctx.save_for_backward(energies, mean, alpha, delta, power, gain, u, compressed, least)
        return compressed

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        energies, mean, alpha, delta, power, gain, u, compressed, least = ctx.saved_tensors
        total, room = gradients[0].sum((0, 2))[:, None], torch.empty_like(u)
        of_alpha = of_delta = of_power = None
        share = (compressed + least).mul_(gradients[0])
        if ctx.needs_input_grad[4]:
            of_power = _by_band(share, torch.log(u, out=room)) - total * least * delta.log()
        to_u = share.div_(u).mul_(power)
        if ctx.needs_input_grad[3]:
            of_delta = to_u.sum((0, 2))[:, None] - total * power * least / delta
        of_energies = to_u * gain
        to_log_gain = torch.mul(of_energies, energies, out=to_u)
        if ctx.needs_input_grad[2]:
            of_alpha = -_by_band(to_log_gain, torch.log(mean, out=room))
        return of_energies, to_log_gain.div_(mean).mul_(-alpha), of_alpha, of_delta, of_power


def _by_band(values: Tensor, others: Tensor) -> Tensor:
    """Sum of the products of two (batch, band, frame): (band, 1)."""
    total: Tensor = torch.linalg.vecdot(values, others)
    return total.sum(0)[:, None]


def _block_length(n_frames: int) -> int:
    """Near the root of a short clip, so that its matrices are small beside it; a divisor, where there is one."""
    if n_frames <= _ONE_BLOCK:
        return n_frames
    most = min(_BLOCK, max(10, round(0.6 * math.sqrt(n_frames))))
    return next((size for size in range(most, most // 2, -1) if n_frames % size == 0), most)


class PCEN(Compression):
    """(E / (floor + M)^alpha + delta)^(1 / root) - delta^(1 / root) of energies E (batch, n_bands, frame).

    M is the running mean of each band, M[k] = (1 - s) M[k - 1] + s E[k], and starts at the first frame's energy.
    Energies are floored at 1e-5 first, as LEAF does. All but the floors are learnable, one a band: alpha in [0, 1],
    s (`smoothing`) in [0, 1], delta >= 1e-4, root >= 1. Defaults are LEAF's (arXiv 2101.08596).

    Limits: alpha 0 is a plain root; smoothing 1 divides each energy by itself; a constant c gives
    (c^(1 - alpha) + delta)^(1 / root) - delta^(1 / root) in every frame. Non-negative.

    Raises UsageError for a start outside these bounds.
    """

    along_time = True

    def __init__(
        self,
        n_bands: int,
        alpha: float = 0.96,
        smoothing: float = 0.04,
        delta: float = 2.0,
        root: float = 2.0,
        floor: float = 1e-12,
    ) -> None:
        super().__init__()
        bounds = {"alpha": (alpha, 0, 1), "smoothing": (smoothing, 0, 1), "delta": (delta, _DELTA_MIN, math.inf)}
        for name, (value, low, high) in (bounds | {"root": (root, 1, math.inf)}).items():
            if not low <= value <= high:
                raise UsageError(f"{name} is {value}; wanted {low:g} to {high:g}")
        self.n_bands, self.floor = n_bands, floor
        self.alpha = nn.Parameter(torch.full((n_bands,), alpha))
        self.smoothing = nn.Parameter(torch.full((n_bands,), smoothing))
        self.delta = nn.Parameter(torch.full((n_bands,), delta))
        self.root = nn.Parameter(torch.full((n_bands,), root))

    def forward(self, energies: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Energies (batch, band, frame), lengths (batch,) in frames -> the same shape, zero beyond lengths."""
        lengths = checked_lengths(lengths, energies, "frame")
        if lengths is None:
            return self.chunk(energies)[0]
        valid = length_mask(lengths, energies.shape[-1])
        compressed, _ = self.chunk(silent_beyond(energies, valid))  # whose blocks look ahead, with weights of 0
        return silent_beyond(compressed, valid)

    def chunk(self, energies: Tensor, mean: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """A stretch of a longer sound: energies (batch, band, frame) -> compressed, and M of its last frame.

        mean (batch, band): what the stretch before returned; None at the start. Stretches one after the other say
        what one pass over all of them says.
        """
        if energies.dim() != 3 or energies.shape[1] != self.n_bands or energies.shape[2] == 0:
            raise UsageError(f"energies are {tuple(energies.shape)}; wanted (batch, {self.n_bands}, at least 1 frame)")
        with torch.autocast(energies.device.type, enabled=False):
            energies = energies.float() if energies.dtype in (torch.float16, torch.bfloat16) else energies
            energies = energies.clamp_min(_ENERGY_FLOOR).contiguous()
            floored = smooth(energies, self._bounded(self.smoothing, 0, 1, energies), mean, self.floor)
            alpha = self._bounded(self.alpha, 0, 1, energies)[:, None]
            delta = self._bounded(self.delta, _DELTA_MIN, math.inf, energies)[:, None]
            power = 1 / self._bounded(self.root, 1, math.inf, energies)[:, None]
            return _compressed(energies, floored, alpha, delta, power), floored[..., -1] - self.floor

    @staticmethod
    def _bounded(parameter: Tensor, low: float, high: float, like: Tensor) -> Tensor:
        return project(parameter, low, high).to(like.dtype)

    def extra_repr(self) -> str:
        return f"n_bands={self.n_bands}"
