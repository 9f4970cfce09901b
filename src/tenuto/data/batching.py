"""Clips to batches of waveforms: cached, cropped or padded, never stopped by one bad file and never silent about it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tenuto.data import audio
from tenuto.data.clips import Clip
from tenuto.data.sampling import EqualLengthBatches, Pick, TrainBatches, class_balanced_weights
from tenuto.data.splits import LeftOut
from tenuto.errors import WorkError

log = logging.getLogger("tenuto")

_BYTES_A_SAMPLE = 4
_MOST_REPLACEMENTS = 20  # bad files in a row, before it is the disk rather than the files


@dataclass(frozen=True)
class Item:
    """One clip: waveform (samples,), or None where its file failed; target (class,); files that failed for it."""

    waveform: Tensor | None
    target: Tensor
    index: int
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class Batch:
    """Clips side by side, padded with zeros at the end.

    Args:
        waveforms: (batch, samples) float32.
        lengths: (batch,) int64, valid samples.
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
        """The batch with its tensors on `device`."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory."""
        return self._each(lambda tensor: tensor.pin_memory())

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        tensors: dict[str, Any] = {f.name: change(getattr(self, f.name)) for f in fields(self) if f.name != "left_out"}
        return replace(self, **tensors)


class ClipDataset(Dataset[Item]):
    """Clips of one part as waveforms at `sample_rate`.

    A file that fails when it is its turn is replaced by another clip of the data set (training) or passed over
    (evaluation); either way it is logged once and listed in `left_out`.

    Args:
        clips: of one part.
        labels: the classes, in the order of the targets; labels of clips that are not among them are ignored.
        sample_rate: in Hz.
        clip_seconds: crop to this or pad to it with zeros at the end, which then count as sound; None: every clip as
            long as it is.
        random_crop: crop anywhere (training) rather than in the middle.
        replace_failed: replace failing files rather than pass over them; None: as `random_crop`.
        cache_bytes: decoded clips are kept in memory if all together take no more than this.
        facts: of the files, as `check_clips` found them, so that none has to be opened to learn its length.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        labels: Sequence[str],
        sample_rate: int,
        clip_seconds: float | None = None,
        random_crop: bool = False,
        *,
        replace_failed: bool | None = None,
        cache_bytes: int = 1 << 30,
        facts: Mapping[Path, audio.AudioFacts] | None = None,
    ) -> None:
        self.clips, self.labels, self.sample_rate = tuple(clips), tuple(labels), sample_rate
        self.n_fixed = None if clip_seconds is None else max(1, round(clip_seconds * sample_rate))
        self.random_crop = random_crop
        self.replace_failed = random_crop if replace_failed is None else replace_failed
        self.cache_bytes = cache_bytes
        self.left_out: list[LeftOut] = []
        self._facts = facts
        self._cache: dict[int, NDArray[np.float32]] = {}

    @cached_property
    def targets(self) -> Tensor:
        """(clip, class) float32, ones at the labels of each clip."""
        column = {label: k for k, label in enumerate(self.labels)}
        targets = torch.zeros(len(self.clips), len(self.labels))
        for row, clip in enumerate(self.clips):
            targets[row, [column[label] for label in clip.labels if label in column]] = 1.0
        return targets

    @cached_property
    def native_lengths(self) -> list[int]:
        """Samples of each whole clip at `sample_rate`; 0 for a file that cannot be opened."""
        return [self._n_samples(clip.path) for clip in self.clips]

    @property
    def lengths(self) -> list[int]:
        """Samples of each clip as it comes: `clip_seconds`, or its own."""
        return self.native_lengths if self.n_fixed is None else [self.n_fixed] * len(self.clips)

    @cached_property
    def caches(self) -> bool:
        """Whether decoded clips are kept: whether all of them fit into `cache_bytes`."""
        return sum(self.native_lengths) * _BYTES_A_SAMPLE <= self.cache_bytes

    def preload(self, n_threads: int = 2) -> None:
        """Decodes what the cache will hold now, before worker processes start and each does it for itself."""
        if not self.caches:
            return
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(self._preload_one, (k for k in range(len(self.clips)) if k not in self._cache)))

    def report_left_out(self, found: Sequence[LeftOut]) -> None:
        """Lists and logs files that failed, each once."""
        known = {entry.path for entry in self.left_out}
        for entry in found:
            if entry.path not in known:
                known.add(entry.path)
                self.left_out.append(entry)
                log.warning("left out %s: %s", entry.path, entry.reason)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, key: int | Pick) -> Item:
        """The clip `key` (with a `Pick`, its random crop is decided by the pick's seeds).

        Raises:
            WorkError: many files in a row fail.
        """
        pick = key if isinstance(key, Pick) else Pick(int(key), ())
        if not -len(self) <= pick.index < len(self):
            raise IndexError(f"clip {pick.index} of {len(self)}")
        random = np.random.default_rng((*pick.seeds, pick.index % len(self)))
        index, failed = pick.index % len(self), list[LeftOut]()
        for _ in range(_MOST_REPLACEMENTS):
            try:
                waveform = torch.from_numpy(self._waveform(index, random))
                return Item(waveform, self.targets[index], index, tuple(failed))
            except audio.AudioError as error:
                failed.append(LeftOut(error.path, error.reason))
            if not self.replace_failed:
                return Item(None, self.targets[index], index, tuple(failed))
            index = int(random.integers(len(self)))
        raise WorkError(
            f"{len(failed)} files in a row cannot be read; the last is {failed[-1].path}: {failed[-1].reason}"
        )

    def _waveform(self, index: int, random: np.random.Generator) -> NDArray[np.float32]:
        """The clip, whole, or cropped or padded to `n_fixed` samples: (samples,)."""
        if self.n_fixed is None:
            return self._whole(index).copy()
        n_spare = max(0, self.native_lengths[index] - self.n_fixed)
        start = int(random.integers(n_spare + 1)) if self.random_crop else n_spare // 2
        if self.caches:
            part = self._whole(index)[start : start + self.n_fixed]
        else:
            rate = self.sample_rate
            part = audio.read(self.clips[index].path, rate, start / rate, self.n_fixed / rate)
        return np.pad(part, (0, self.n_fixed - len(part)))

    def _whole(self, index: int) -> NDArray[np.float32]:
        if index in self._cache:
            return self._cache[index]
        samples = audio.read(self.clips[index].path, self.sample_rate)
        if self.caches:
            self._cache[index] = samples
        return samples

    def _preload_one(self, index: int) -> None:
        try:
            self._whole(index)
        except audio.AudioError as error:
            log.debug("not cached, its turn will tell: %s", error)

    def _n_samples(self, path: Path) -> int:
        try:
            facts = (self._facts or {}).get(path) or audio.facts(path)
        except audio.AudioError:
            return 0
        return audio.n_resampled(facts.n_samples, facts.sample_rate, self.sample_rate)


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


class ClipLoader(DataLoader[Item]):
    """A loader that tells its data set, in the main process, of files that failed in any, and skips empty batches."""

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        for batch in super().__iter__():
            made: Any = batch
            if made.left_out:
                assert isinstance(self.dataset, ClipDataset)
                self.dataset.report_left_out(made.left_out)
            if len(made):
                yield made


def train_loader(
    dataset: ClipDataset,
    batch_size: int,
    *,
    seed: int = 0,
    balanced: bool = False,
    bucketed: bool = True,
    workers: int = 0,
) -> ClipLoader:
    """Random batches for training, the same for the same seed and epoch (`loader.batch_sampler.set_epoch`).

    Args:
        balanced: draw clips of rare classes more often, with replacement.
        bucketed: clips of similar length share a batch, where lengths vary.
        workers: processes that read; 0: this one.
    """
    lengths = dataset.lengths if bucketed and dataset.n_fixed is None else None
    weights = class_balanced_weights(dataset.targets) if balanced else None
    return _loader(dataset, TrainBatches(len(dataset), batch_size, seed, lengths, weights), workers)


def evaluation_loader(
    dataset: ClipDataset,
    batch_size: int,
    *,
    kept: Callable[[Tensor], Tensor] | None = None,
    workers: int = 0,
) -> ClipLoader:
    """Every clip once, in batches of equal kept length, shortest first.

    Args:
        kept: from samples, an int tensor (clip,), to kept frames; None: equal samples.
    """
    return _loader(dataset, EqualLengthBatches(dataset.lengths, batch_size, kept), workers)


def _loader(dataset: ClipDataset, batches: TrainBatches | EqualLengthBatches, workers: int) -> ClipLoader:
    dataset.preload()
    return ClipLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=collate,
        persistent_workers=workers > 0,
    )
