"""Samples to frames to kept frames, and the only lengths-to-mask."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from tenuto.errors import UsageError

IntOrTensor = TypeVar("IntOrTensor", int, Tensor)


def n_frames(n_samples: IntOrTensor, hop_length: int) -> IntOrTensor:
    """Frames of a clip: `ceil(n_samples / hop_length)`, since frame k is centred at sample k x hop_length."""
    return (n_samples + hop_length - 1) // hop_length


def n_kept(n_frames: IntOrTensor, reduction: float) -> IntOrTensor:
    """Frames kept of `n_frames` at a dimension reduction rate, `reduction` = (T - t) / T in [0, 1).

    max(1, floor((1 - reduction) x frames + 0.5)), never more than the clip has frames (so 0 of 0).
    """
    check_reduction(reduction)
    if isinstance(n_frames, Tensor):
        kept = torch.floor((1 - reduction) * n_frames.to(torch.float64) + 0.5).clamp_min(1).to(n_frames.dtype)
        return torch.minimum(kept, n_frames)
    return least_of(n_frames, largest_of(1, math.trunc((1 - reduction) * n_frames + 0.5)))


def least_of(a: int, b: int) -> int:
    """The smaller of two sizes, any of which may be a symbol of a graph that is being exported."""
    return torch.sym_min(a, b)  # type: ignore[return-value]


def largest_of(a: int, b: int) -> int:
    """The larger of two sizes, as `least_of`."""
    return torch.sym_max(a, b)  # type: ignore[return-value]


def check_reduction(reduction: float) -> None:
    """Raises UsageError unless `reduction` lies in [0, 1)."""
    if not 0 <= reduction < 1:
        raise UsageError(f"reduction is {reduction}; wanted a share of frames to save, from 0 up to below 1")


# Whether torch.export traces the call: before PyTorch 2.7 there is no telling it from torch.compile.
is_exporting: Callable[[], bool] = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)


def in_graph_without_gradients() -> bool:
    """Whether torch.compile traces the call and no gradient is wanted: operators may stand for what values decide."""
    return torch.compiler.is_compiling() and not (is_exporting() or torch.is_grad_enabled())


def eager_on_cpu(tensor: Tensor) -> bool:
    """Whether values of `tensor` may decide what is run next: no graph is traced, no other device to wait for."""
    return tensor.device.type == "cpu" and not torch.compiler.is_compiling()


def length_mask(lengths: Tensor, n: int) -> Tensor:
    """lengths (batch,) -> bool (batch, n), true where the position lies before the clip's length."""
    return torch.arange(n, device=lengths.device) < lengths[:, None]


def silent_beyond(x: Tensor, valid: Tensor | None) -> Tensor:
    """x (batch, band, frame), 0 where valid (batch, frame) is false: weights of 0 would let pass what is no number."""
    return x if valid is None else x.masked_fill(~valid[:, None], 0)


def seen_whole(lengths: Tensor, n: int) -> bool:
    """Whether every clip of lengths (batch,) is seen to fill the batch's n positions: where looking waits for nothing.

    So lengths on a CPU are worth more than those on a GPU, whatever device the clips are on.
    """
    return eager_on_cpu(lengths) and bool((lengths >= n).all())


def longest_seen(lengths: Tensor) -> int | None:
    """The largest of lengths (batch,), where looking waits for nothing, as `seen_whole`."""
    return int(lengths.to(torch.int64).max()) if eager_on_cpu(lengths) else None


def scale_lengths(lengths: Tensor, n_in: int, n_out: int) -> Tensor:
    """Valid positions of `n_out` after a network brought `n_in` positions to `n_out`: at least 1, rounded up."""
    return ((lengths * n_out + n_in - 1) // n_in).clamp(1, n_out)


def full_lengths(batch: Tensor) -> Tensor:
    """batch (batch, ..., n) -> int64 (batch,): every clip as long as the tensor."""
    return torch.full((batch.shape[0],), batch.shape[-1], dtype=torch.int64, device=batch.device)


def checked_lengths(lengths: Tensor | None, batch: Tensor, axis: str) -> Tensor | None:
    """lengths (batch,) of `batch` (batch, ..., axis) as int64 on its device; None where all clips are seen to fill it.

    None, which says so, stays None.

    Raises UsageError unless they are an integer tensor that fits, from 0 to the length of the axis. Values are read
    on a CPU alone, so that nothing waits for a device.
    """
    if lengths is None:
        return None
    if not isinstance(lengths, Tensor):
        raise _refused(f"of type {type(lengths).__name__}", batch, axis)
    counts = not (lengths.dtype.is_floating_point or lengths.dtype.is_complex or lengths.dtype == torch.bool)
    if not counts or lengths.shape != batch.shape[:1]:
        raise _refused(f"{lengths.dtype} {tuple(lengths.shape)}", batch, axis)
    lengths = lengths.to(torch.int64)  # first: little is done with unsigned ones
    if eager_on_cpu(lengths) and not 0 <= int(lengths.min()) <= int(lengths.max()) <= batch.shape[-1]:
        raise _refused(f"from {int(lengths.min())} to {int(lengths.max())}", batch, axis)
    if seen_whole(lengths, batch.shape[-1]):
        return None
    return moved(lengths, batch.device)


def moved(lengths: Tensor, device: torch.device) -> Tensor:
    """Lengths on `device`, for which nobody waits; on the way back to a CPU they would come too late."""
    return lengths.to(device, non_blocking=lengths.device.type == "cpu")


def _refused(what: str, batch: Tensor, axis: str) -> UsageError:
    return UsageError(
        f"lengths are {what}; wanted an integer tensor ({batch.shape[0]},): the valid {axis}s of each clip of the "
        f"batch {tuple(batch.shape)}"
    )
