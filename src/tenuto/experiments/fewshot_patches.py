"""Patches of a fixed number of frames, cut from the energies of many clips that lie end to end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Clips:
    """Energies of some clips: frames (frame, band) end to end, and where each begins and how long it is, (clip,)."""

    frames: NDArray[np.float32]
    begins: NDArray[np.int64]
    n_frames: NDArray[np.int64]

    def loaded(self, indices: NDArray[np.int64]) -> Clips:
        """Some of the clips, copied into memory of their own."""
        pieces = [self.frames[self.begins[i] : self.begins[i] + self.n_frames[i]] for i in indices]
        lengths = self.n_frames[indices]
        return Clips(np.concatenate(pieces), np.cumsum(lengths) - lengths, lengths)

    def cut(self, clips: NDArray[np.int64], offsets: NDArray[np.int64], n: int) -> Tensor:
        """Patches of n frames from offsets on, clips and offsets (patch,) -> (patch, band, n).

        A clip of fewer frames is repeated until it fills the patch.
        """
        inside = (offsets[:, None] + np.arange(n)) % self.n_frames[clips][:, None]
        rows = self.frames[self.begins[clips][:, None] + inside]  # (patch, frame, band): a copy
        return torch.from_numpy(rows).mT.contiguous()

    def random_offsets(self, clips: NDArray[np.int64], n: int, random: np.random.Generator) -> NDArray[np.int64]:
        """Where one random patch of each clip begins: (patch,), from 0 to the last that the clip fills."""
        return random.integers(0, np.maximum(self.n_frames[clips] - n, 0) + 1)


def spread_offsets(n_frames: int, n: int, n_most: int) -> NDArray[np.int64]:
    """Offsets of min(n_most, ceil(n_frames / n)) patches of n frames, from the first to the last frame."""
    n_patches = min(n_most, max(1, -(-n_frames // n)))
    return np.round(np.linspace(0, max(0, n_frames - n), n_patches)).astype(np.int64)
