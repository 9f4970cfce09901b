"""Episodes: batches of a few clips each of a few classes, as prototypical networks are trained on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.utils.data import Sampler

from tenuto.data.batching import ClipDataset, ClipLoader, MixingCollate, batch_loader
from tenuto.data.sampling import Pick
from tenuto.errors import UsageError


class EpisodeBatches(Sampler[list[Pick]]):
    """Episodes of `n_way` classes drawn by lot, of each `n_support + n_query` clips drawn by lot, without replacement.

    A class of fewer clips gives all it has; one of a single clip gives that twice, cropped differently where clips are
    cropped at random. The first clips of a class are its support, the others queries: see
    `models.prototypes.split_episode`. An epoch has as many episodes as it takes for about as many queries as there are
    clips. `set_epoch` chooses the epoch; the same seed and epoch give the same episodes.

    Args:
        targets: (clip, class), 0 or 1, one class a clip. Classes without a clip take no part.
        n_way: classes of an episode; None: all.

    Raises:
        UsageError: more classes wanted than there are, or clips of several classes.
    """

    def __init__(
        self, targets: torch.Tensor, n_way: int | None = None, n_support: int = 5, n_query: int = 5, seed: int = 0
    ) -> None:
        if bool((targets.sum(1) != 1).any()):
            raise UsageError("episodes are of clips of one class each: prototypes cannot tell several labels of a clip")
        labels = targets.argmax(1).numpy()
        self.members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        n_classes = len(self.members)
        if n_way is not None and n_way > n_classes:
            raise UsageError(
                f"n_way={n_way} classes an episode of {n_classes} with clips: wanted at most that, or null"
            )
        self.n_way, self.n_clips = n_way or n_classes, n_support + n_query
        self.n_episodes = -(-len(labels) // (self.n_way * n_query))
        self.seed, self.epoch = seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch that the next iteration draws."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n_episodes

    def __iter__(self) -> Iterator[list[Pick]]:
        for episode in range(self.n_episodes):
            yield self._episode((self.seed, self.epoch, episode))

    def _episode(self, seeds: tuple[int, ...]) -> list[Pick]:
        random = np.random.default_rng(seeds)
        indices: list[int] = []
        for which in random.choice(len(self.members), self.n_way, replace=False):
            clips = random.permutation(self.members[which])[: self.n_clips]
            indices += [int(clip) for clip in clips] * (2 if len(clips) == 1 else 1)
        return [Pick(index, (*seeds, row)) for row, index in enumerate(indices)]


def episode_loader(
    dataset: ClipDataset, batches: EpisodeBatches, workers: int = 0, pin_memory: bool = False
) -> ClipLoader:
    """The episodes for training; `workers` and `pin_memory` as for `data.batching.train_loader`."""
    return batch_loader(dataset, batches, workers, pin_memory, MixingCollate(), persistent=True)
