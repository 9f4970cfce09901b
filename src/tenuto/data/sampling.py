"""Which clips make a batch: by lot, by class balance, by length; the same again for the same seed and epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler

_BATCHES_A_BUCKET = 8  # clips of so many batches are sorted by length together: little padding, much chance


@dataclass(frozen=True)
class Pick:
    """A clip to fetch, and the seeds that decide its random crop (so that a resumed run repeats it)."""

    index: int
    seeds: tuple[int, ...]


def class_balanced_weights(targets: torch.Tensor) -> NDArray[np.float64]:
    """How often to draw each clip, (clip,), sums to 1: one over the clips of its class, summed over its labels.

    As PSLA (arXiv 2102.01243, section III-B) does for several labels. A clip of no label is drawn as rarely as the
    rarest-drawn other one.

    Args:
        targets: (clip, class), 0 or 1.
    """
    marks = targets.double().numpy()
    weights = marks @ (1 / np.maximum(marks.sum(axis=0), 1))
    positive = weights[weights > 0]
    weights = np.where(weights > 0, weights, positive.min() if len(positive) else 1.0)
    return np.asarray(weights / weights.sum())


class TrainBatches(Sampler[list[Pick]]):
    """Batches of an epoch: every clip once in random order, or with `weights` as many draws with replacement.

    With `lengths`, clips of similar length share a batch. Batches are of equal size to within one clip, so that none
    is left with a single clip (which batch norm cannot use). `set_epoch` chooses the epoch.

    Args:
        n_clips: of the data set.
        batch_size: the largest.
        lengths: (clip,) samples, to put similar lengths together; None: no matter.
        weights: (clip,) probabilities, sum 1.
    """

    def __init__(
        self,
        n_clips: int,
        batch_size: int,
        seed: int = 0,
        lengths: Sequence[int] | None = None,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        self.n_clips, self.batch_size, self.seed = n_clips, batch_size, seed
        self.lengths, self.weights = lengths, weights
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch that the next iteration draws."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.n_clips // self.batch_size)

    def __iter__(self) -> Iterator[list[Pick]]:
        seeds = (self.seed, self.epoch)
        random = np.random.default_rng(seeds)
        if self.weights is None:
            order = random.permutation(self.n_clips)
        else:
            order = random.choice(self.n_clips, size=self.n_clips, p=self.weights)
        batches = np.array_split(self._bucketed(order), len(self))
        for which in random.permutation(len(batches)):
            yield [Pick(int(index), seeds) for index in batches[which]]

    def _bucketed(self, order: NDArray[np.int64]) -> NDArray[np.int64]:
        """The order with each run of `_BATCHES_A_BUCKET` batches sorted by length."""
        if self.lengths is None:
            return order
        lengths = np.asarray(self.lengths)
        step = self.batch_size * _BATCHES_A_BUCKET
        runs = [order[start : start + step] for start in range(0, len(order), step)]
        return np.concatenate([run[np.argsort(lengths[run], kind="stable")] for run in runs])


class EqualLengthBatches(Sampler[list[Pick]]):
    """Every clip once, in batches of equal kept length, so that what a backbone sees of a clip is the clip alone.

    Args:
        lengths: (clip,) samples.
        batch_size: the largest.
        kept: from samples (an int tensor (clip,)) to the frames kept of them; None: clips of equal samples.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        kept: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        samples = torch.tensor(list(lengths), dtype=torch.int64)
        keys = samples if kept is None else kept(samples)
        groups: dict[int, list[int]] = {}
        for index, key in enumerate(keys.tolist()):
            groups.setdefault(key, []).append(index)
        self.batches = [
            group[start : start + batch_size]
            for _, group in sorted(groups.items())
            for start in range(0, len(group), batch_size)
        ]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[Pick]]:
        return ([Pick(index, ()) for index in batch] for batch in self.batches)
