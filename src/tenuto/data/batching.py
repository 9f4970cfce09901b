"""Batches of clips, made in other processes while the device computes: the same ones, however many processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from tenuto.data.augment import mixup
from tenuto.data.batch import Batch, Item, collate
from tenuto.data.dataset import ClipDataset
from tenuto.data.sampling import EqualLengthBatches, Pick, TrainBatches, class_balanced_weights
from tenuto.errors import WorkError

__all__ = [
    "Batch", "ClipDataset", "ClipLoader", "Item", "choose_workers", "collate", "evaluation_loader", "n_cores",
    "tells_of_killed_worker", "told_of_killed_workers", "train_loader",
]  # fmt: skip

_START = "fork" if sys.platform == "linux" else None  # so that processes share what is decoded in memory
_MOST_WORKERS = {True: 8, False: 4}  # with a GPU; on the CPU, where they compete with the training


@contextmanager
def told_of_killed_workers() -> Iterator[None]:
    """Makes one line of what PyTorch raises, wherever the program is, when a process that makes batches was killed.

    Raises:
        WorkError: in the place of that RuntimeError; any other is let through.
    """
    try:
        yield
    except RuntimeError as error:
        if not tells_of_killed_worker(error):
            raise
        raise WorkError(
            "one of the processes that read audio was killed, as a rule for want of memory: "
            "set data.workers=0, or fewer than there were"
        ) from error


def tells_of_killed_worker(error: BaseException) -> bool:
    """Whether `error` is what PyTorch raises of a killed process."""
    return str(error).startswith("DataLoader worker")


class ClipLoader(DataLoader[Item]):
    """Tells its data set, in the main process, of files that failed in any, skips empty batches, fails in one line.

    Raises:
        WorkError: many files in a row fail, or a process that reads was killed.
    """

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        batches = super().__iter__()
        while (made := self._next(batches)) is not None:
            if made.left_out:
                assert isinstance(self.dataset, ClipDataset)
                self.dataset.report_left_out(made.left_out)
            if len(made):
                yield made

    def _next(self, batches: Iterator[Any]) -> Batch | None:
        with told_of_killed_workers():
            made: Batch | WorkError | None = next(batches, None)
        if isinstance(made, WorkError):
            try:
                raise made
            finally:
                del made  # whose traceback holds this frame: a circle, and with it the processes would live on
        return made


class MixingCollate:
    """Items to a batch, each clip mixed with another with `probability`; the same items of an epoch mix alike."""

    def __init__(self, probability: float = 0.0) -> None:
        self.probability = probability

    def __call__(self, items: Sequence[Item] | WorkError) -> Batch | WorkError:
        if isinstance(items, WorkError):
            return items
        batch = collate(items)
        if not (self.probability and len(batch)):
            return batch
        draws = np.random.default_rng((*items[0].seeds, *(item.index for item in items)))
        generator = torch.Generator().manual_seed(int(draws.integers(2**62)))
        return mixup(batch, probability=self.probability, generator=generator)


def n_cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_workers(wanted: int | None, dataset: ClipDataset, batch_size: int, on_gpu: bool = False) -> int:
    """Processes that make batches: as many as wanted, never more than processors; None: as it seems best.

    With a GPU all processors but one, up to 8. On the CPU half of them, up to 4, and none where the clips are decoded
    already, since what is left to do then is next to nothing. Never more than there are batches.
    """
    cores = n_cores()
    if wanted is not None:
        return min(wanted, cores)
    if cores == 1 or (dataset.decoded and not on_gpu):
        return 0
    return min(_MOST_WORKERS[on_gpu], cores - 1 if on_gpu else cores // 2, -(-len(dataset) // batch_size))


def train_loader(
    dataset: ClipDataset,
    batch_size: int,
    *,
    seed: int = 0,
    balanced: bool = False,
    bucketed: bool = True,
    mixup: float = 0.0,
    workers: int = 0,
    pin_memory: bool = False,
) -> ClipLoader:
    """Random batches for training, the same for the same seed and epoch (`loader.batch_sampler.set_epoch`).

    Args:
        balanced: draw clips of rare classes more often, with replacement.
        bucketed: clips of similar length share a batch, where lengths vary.
        mixup: probability that a clip is mixed with another of its batch.
        workers: processes that read, mix and keep two batches each in store; 0: this one.
        pin_memory: for copies to a GPU that nobody waits for.
    """
    lengths = dataset.lengths if bucketed and dataset.n_fixed is None else None
    weights = class_balanced_weights(dataset.targets) if balanced else None
    batches = TrainBatches(len(dataset), batch_size, seed, lengths, weights)
    return batch_loader(dataset, batches, workers, pin_memory, MixingCollate(mixup), persistent=True)


def evaluation_loader(
    dataset: ClipDataset,
    batch_size: int,
    *,
    kept: Callable[[Tensor], Tensor] | None = None,
    workers: int = 0,
    pin_memory: bool = False,
) -> ClipLoader:
    """Every clip once, in batches of equal kept length, shortest first.

    Args:
        kept: from samples, an int tensor (clip,), to kept frames; None: equal samples.
        workers, pin_memory: as for `train_loader`.
    """
    batches = EqualLengthBatches(dataset.lengths, batch_size, kept)
    return batch_loader(dataset, batches, workers, pin_memory, MixingCollate(), persistent=False)


def batch_loader(
    dataset: ClipDataset,
    batches: Sampler[list[Pick]],
    workers: int,
    pin_memory: bool,
    collate_items: MixingCollate,
    *,
    persistent: bool,
) -> ClipLoader:
    """The loader of batches that are chosen already; `persistent`: its processes stay for the next epoch."""
    dataset.preload()  # before processes start that would each do it for themselves
    return ClipLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=collate_items,
        pin_memory=pin_memory,
        persistent_workers=persistent and workers > 0,
        multiprocessing_context=_START if workers else None,
    )
