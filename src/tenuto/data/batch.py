"""Clips side by side: what a loader hands out, and how it is put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from tenuto.data.splits import LeftOut


@dataclass(frozen=True)
class Item:
    """One clip: waveform (samples,), or None where its file failed; target (class,); files that failed for it; the
    seeds of its `Pick`."""

    waveform: Tensor | None
    target: Tensor
    index: int
    left_out: tuple[LeftOut, ...]
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Clips side by side, padded with zeros at the end.

    Args:
        waveforms: (batch, samples) float32.
        lengths: (batch,) int64, valid samples; they stay on the CPU, where looking at them waits for nothing.
        targets: (batch, class) float32.
        indices: (batch,) int64, of the clips in their data set.
        left_out: files that failed while this batch was made.
    """

    waveforms: Tensor
    lengths: Tensor
    targets: Tensor
    indices: Tensor
    left_out: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        return len(self.lengths)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The batch with its tensors, but for the lengths, on `device`."""
        moved = self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))
        return replace(moved, lengths=self.lengths)

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory."""
        return self._each(lambda tensor: tensor.pin_memory())

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        tensors: dict[str, Any] = {f.name: change(getattr(self, f.name)) for f in fields(self) if f.name != "left_out"}
        return replace(self, **tensors)


def collate(items: Sequence[Item]) -> Batch:
    """Items to a batch, padded with zeros to the longest; those whose file failed are only listed."""
    left_out = tuple(entry for item in items for entry in item.left_out)
    sound = [(item, item.waveform) for item in items if item.waveform is not None]
    lengths = [len(waveform) for _, waveform in sound]
    waveforms = torch.zeros(len(sound), max(lengths, default=0))
    for row, (_, waveform) in enumerate(sound):
        waveforms[row, : len(waveform)] = waveform
    n_classes = len(items[0].target)
    return Batch(
        waveforms,
        torch.tensor(lengths, dtype=torch.int64),
        torch.stack([item.target for item, _ in sound]) if sound else torch.zeros(0, n_classes),
        torch.tensor([item.index for item, _ in sound], dtype=torch.int64),
        left_out,
    )
