"""What a model answered: scores of windows of files, and the files that gave none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tenuto.errors import UsageError


class Row(NamedTuple):
    """One label of one window; start and end in seconds."""

    file: str
    start: float
    end: float
    label: str
    score: float


class LeftOut(NamedTuple):
    """A file that could not be read to its end, and why. Windows before the fault are answered all the same."""

    file: str
    reason: str


@dataclass(frozen=True)
class FilePredictions:
    """One file: starts, ends (window,) in seconds, float64; scores (window, class), float32, probabilities.

    seconds: what was read of it, of which a rest too short for a window of its own may stand behind the last.
    """

    file: str
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    scores: NDArray[np.float32]
    seconds: float


@dataclass(frozen=True)
class Predictions:
    """All answers, files in the order they were asked for.

    labels name the classes of the scores. window_seconds and hop_seconds are what long files were cut by.
    f_min_hz and f_max_hz: what the model hears (for Raven's tables).
    """

    labels: tuple[str, ...]
    files: list[FilePredictions]
    left_out: list[LeftOut]
    window_seconds: float
    hop_seconds: float
    multi_label: bool = False
    f_min_hz: float = 0.0
    f_max_hz: float = 0.0

    @property
    def n_windows(self) -> int:
        """Windows answered, over all files."""
        return sum(len(file.starts) for file in self.files)

    def rows(self, top_k: int | None = None, threshold: float | None = None) -> Iterator[Row]:
        """Answers by file, then time, then score, the best first.

        top_k: at most so many labels a window (None: all). threshold: only scores of at least that.

        Raises:
            UsageError: top_k below 1, or a threshold outside [0, 1].
        """
        if top_k is not None and top_k < 1:
            raise UsageError(f"top_k is {top_k}; wanted at least 1 label a window (leave it out for all)")
        if threshold is not None and not 0 <= threshold <= 1:
            raise UsageError(f"threshold is {threshold}; wanted a probability from 0 to 1")
        return self._rows(top_k, 0.0 if threshold is None else threshold)

    def _rows(self, top_k: int | None, threshold: float) -> Iterator[Row]:
        for file in self.files:
            for start, end, scores in zip(file.starts, file.ends, file.scores, strict=True):
                best = np.argsort(-scores, kind="stable")[:top_k]
                for i in best[scores[best] >= threshold]:
                    yield Row(file.file, float(start), float(end), self.labels[i], float(scores[i]))
