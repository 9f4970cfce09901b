"""Clips as waveforms: decoded once where that fits, cropped or padded, never stopped by one bad file and never silent
about it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from tenuto.data import audio
from tenuto.data.batch import Item
from tenuto.data.cache import SampleCache
from tenuto.data.clips import Clip
from tenuto.data.sampling import Pick
from tenuto.data.splits import LeftOut
from tenuto.errors import WorkError

log = logging.getLogger("tenuto")

_BYTES_A_SAMPLE = 4
_MOST_REPLACEMENTS = 20  # bad files in a row, before it is the disk rather than the files


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
        cache_bytes: decoded clips are kept in memory if all together take no more than this, and there is no `cache`.
        cache: decoded clips on disk, of this sample rate; what is not in it is read from its file.
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
        cache: SampleCache | None = None,
        facts: Mapping[Path, audio.AudioFacts] | None = None,
    ) -> None:
        self.clips, self.labels, self.sample_rate = tuple(clips), tuple(labels), sample_rate
        self.n_fixed = None if clip_seconds is None else max(1, round(clip_seconds * sample_rate))
        self.random_crop = random_crop
        self.replace_failed = random_crop if replace_failed is None else replace_failed
        self.cache_bytes = cache_bytes
        assert cache is None or cache.sample_rate == sample_rate, "the cache holds other samples"
        self.cache = cache
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
        """Whether decoded clips are kept in memory: all of them fit into `cache_bytes`, and no `cache` has them."""
        return self.cache is None and sum(self.native_lengths) * _BYTES_A_SAMPLE <= self.cache_bytes

    @property
    def decoded(self) -> bool:
        """Whether clips are decoded before their turn comes."""
        return self.cache is not None or self.caches

    def preload(self, n_threads: int | None = None) -> None:
        """Decodes what is kept in memory now, by threads (None: one a processor, at most 8)."""
        if not self.caches:
            return
        with ThreadPoolExecutor(n_threads or min(8, os.cpu_count() or 1)) as pool:
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
                return Item(waveform, self.targets[index], index, tuple(failed), pick.seeds)
            except audio.AudioError as error:
                failed.append(LeftOut(error.path, error.reason))
            if not self.replace_failed:
                return Item(None, self.targets[index], index, tuple(failed), pick.seeds)
            index = int(random.integers(len(self)))
        raise WorkError(
            f"{len(failed)} files in a row cannot be read; the last is {failed[-1].path}: {failed[-1].reason}"
        )

    def __getitems__(self, keys: Sequence[int | Pick]) -> list[Item] | WorkError:
        """The items of a batch; an error is handed over, since one raised in a worker brings its whole traceback."""
        try:
            return [self[key] for key in keys]
        except WorkError as error:
            return error

    def _waveform(self, index: int, random: np.random.Generator) -> NDArray[np.float32]:
        """The clip, whole, or cropped or padded to `n_fixed` samples: (samples,)."""
        if self.n_fixed is None:
            return self._whole(index).copy()
        n_spare = max(0, self.native_lengths[index] - self.n_fixed)
        start = int(random.integers(n_spare + 1)) if self.random_crop else n_spare // 2
        if self.decoded:
            part = self._whole(index)[start : start + self.n_fixed]
        else:
            rate = self.sample_rate
            part = audio.read(self.clips[index].path, rate, start / rate, self.n_fixed / rate)
        return np.pad(part, (0, self.n_fixed - len(part)))

    def _whole(self, index: int) -> NDArray[np.float32]:
        if index in self._cache:
            return self._cache[index]
        stored = None if self.cache is None else self.cache.find(self.clips[index].path)
        if stored is not None:
            return stored
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
