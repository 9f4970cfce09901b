"""A trained model on files, folders and long recordings: every sample is heard, in memory of a few windows.

recording  |------------------------------------------|
window 0   [--------------]
window 1          [--------------]                       starts a hop after the one before
window 2                 [--------------]
window 3                        [--------------]
window 4                               [----------:000]  the last: what is left
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tenuto.data.audio import AudioError, blocks
from tenuto.errors import UsageError
from tenuto.inference.inputs import PathLike, find_files
from tenuto.inference.journal import Journal, fingerprint
from tenuto.inference.predictions import FilePredictions, LeftOut, Predictions
from tenuto.inference.scoring import Scorer, evaluating, hearing, opened, score_clips
from tenuto.models.classifier import Classifier
from tenuto.report.words import counted

NEGLIGIBLE_SHARE = 0.01  # of a window: a rest shorter than this is rounding of a clip's length, not more sound
LONGEST_CLIP_SECONDS = 30.0  # of models of any length: a longer file is cut into windows of this
_HELD_BATCHES = 8  # windows wait for others of their length, in all no more than so many batches

Progress = Callable[[int, int, str], None]  # files done, files in all, the file just done


def predict(
    model: Scorer | PathLike,
    inputs: PathLike | Sequence[PathLike],
    *,
    window_seconds: float | None = None,
    hop_seconds: float | None = None,
    batch_size: int = 16,
    journal: PathLike | None = None,
    progress: Progress | None = None,
    device: str = "cpu",
) -> Predictions:
    """Scores of every window of every file; what cannot be read is listed and stops nothing.

    Args:
        model: a classifier, the run or model folder it was saved in, or the .onnx file that was exported from it
            (then put on `device`).
        inputs: audio files, and folders that are searched all the way down.
        window_seconds: default: the length the model was trained on; for a model of any length the whole file,
            up to 30 s, and windows of 30 s beyond.
        hop_seconds: from the start of one window to the next; default: the window.
        batch_size: windows at a time. Windows of a batch reach the classifier with the same number of frames,
            so the answer for one does not depend on what else was asked.
        journal: a folder that keeps the answers, for the same call to go on after an interruption.
        progress: called after each file.

    A model trained on clips of one length hears the last window padded with zeros to that length, as in
    training; any other hears what is left as it is. A rest of less than a hundredth of the window (a clip of
    5.001 s in windows of 5 s) is no window of its own.

    Raises:
        UsageError: nothing to read, or a window or hop that makes no sense.
        WorkError: a model that cannot be loaded.
    """
    classifier = model if isinstance(model, Scorer) else opened(model, device)
    window, hop, pads = windows_of(classifier, window_seconds, hop_seconds)
    if batch_size < 1:
        raise UsageError(f"batch_size is {batch_size}; wanted at least 1 window")
    files, left_out = find_files(inputs)
    kept = Journal(journal, fingerprint(classifier, repr((window, hop, pads)))) if journal is not None else None
    night = _Night(classifier, window, hop, pads, batch_size, kept, progress, len(files))
    answers = night.work(files)
    low_hz, high_hz = hearing(classifier)
    return Predictions(
        labels=classifier.labels,
        files=answers,
        left_out=[LeftOut(*item) for item in left_out] + night.left_out,
        window_seconds=window,
        hop_seconds=hop,
        multi_label=classifier.multi_label,
        f_min_hz=low_hz,
        f_max_hz=high_hz,
    )


def windows_of(
    model: Scorer, window_seconds: float | None = None, hop_seconds: float | None = None
) -> tuple[float, float, bool]:
    """-> window and hop in seconds, and whether short windows are padded with zeros to the window.

    Raises:
        UsageError: a window or hop that is not positive, or a hop that would skip sound.
    """
    trained_on = model.clip_seconds
    window = window_seconds if window_seconds is not None else (trained_on or LONGEST_CLIP_SECONDS)
    hop = window if hop_seconds is None else hop_seconds
    for name, seconds in (("window", window), ("hop", hop)):
        if not seconds * model.sample_rate >= 1 or not np.isfinite(seconds):
            raise UsageError(f"{name} of {seconds} s; wanted at least one sample (1/{model.sample_rate} s)")
    if hop > window:
        raise UsageError(f"hop of {hop:g} s is longer than the window of {window:g} s: sound would be skipped")
    return float(window), float(hop), trained_on is not None


@dataclass
class _File:
    """A file under way: windows read so far and, once it is read to its end, how many there are."""

    path: Path
    n_read: int = 0
    end: float = 0.0  # of the windows, in seconds
    seconds: float = 0.0  # of what is read
    whole: bool = False
    fault: str | None = None
    answers: list[tuple[float, float, NDArray[np.float32]]] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.whole and len(self.answers) == self.n_read

    def result(self) -> FilePredictions | None:
        """What is known of it, None where nothing is; windows without a finite score are its fault, not an answer."""
        good = sorted((a for a in self.answers if np.isfinite(a[2]).all()), key=lambda answer: answer[0])
        if len(good) < len(self.answers) and self.fault is None:
            windows = counted(len(self.answers) - len(good), "window")
            self.fault = f"{windows} without a finite score (samples far too loud?)"
        if not good:
            return None
        starts, ends, scores = zip(*good, strict=True)
        return FilePredictions(str(self.path), np.array(starts), np.array(ends), np.stack(scores), self.seconds)


@dataclass
class _Window:
    file: _File
    start: float
    waveform: torch.Tensor  # (samples,)
    end: float


@dataclass
class _Night:
    """One call's work: reads windows, gathers those of equal kept length, scores, and puts files together again."""

    model: Scorer
    window: float
    hop: float
    pads: bool
    batch_size: int
    journal: Journal | None
    progress: Progress | None
    n_files: int
    left_out: list[LeftOut] = field(default_factory=list)
    _waiting: dict[int, list[_Window]] = field(default_factory=dict)  # kept frames -> windows
    _results: dict[Path, FilePredictions] = field(default_factory=dict)
    _n_done: int = 0

    def work(self, files: Sequence[Path]) -> list[FilePredictions]:
        """Answers in the files' order; those that gave none are in `left_out`, in that order too."""
        with evaluating(self.model):
            for path in files:
                self._read(path)
            while self._waiting:
                self._score(max(self._waiting))
        order = {str(path): place for place, path in enumerate(files)}
        self.left_out.sort(key=lambda item: order[item.file])
        return [self._results[path] for path in files if path in self._results]

    def _read(self, path: Path) -> None:
        known = self.journal.get(path) if self.journal is not None else None
        if known is not None:
            self._results[path] = known
            self._report(path)
            return
        file = _File(path)
        try:
            for start, samples in blocks(path, self.model.sample_rate, self.window, self.hop):
                self._take(file, start, samples)
        except AudioError as error:
            file.fault = error.reason
        file.whole = True
        if file.done:
            self._finish(file)

    def _take(self, file: _File, start: float, samples: NDArray[np.float32]) -> None:
        end = file.seconds = start + len(samples) / self.model.sample_rate
        if file.n_read and end - file.end < NEGLIGIBLE_SHARE * self.window:
            return
        file.n_read, file.end = file.n_read + 1, end
        if self.pads:
            n_window = int(self.window * self.model.sample_rate + 0.5)
            samples = np.pad(samples, (0, max(0, n_window - len(samples))))
        kept = int((self.model.frontend if isinstance(self.model, Classifier) else self.model).kept(len(samples)))
        waiting = self._waiting.setdefault(kept, [])
        waiting.append(_Window(file, start, torch.from_numpy(samples), end))
        if len(waiting) >= self.batch_size:
            self._score(kept)
        elif sum(map(len, self._waiting.values())) >= _HELD_BATCHES * self.batch_size:
            self._score(max(self._waiting, key=lambda key: len(self._waiting[key])))

    def _score(self, kept: int) -> None:
        """Scores the windows that wait for `kept` frames, one batch."""
        windows = self._waiting.pop(kept)
        for window, scores in zip(windows, score_clips(self.model, [w.waveform for w in windows]), strict=True):
            window.file.answers.append((window.start, window.end, scores))
            if window.file.done:
                self._finish(window.file)

    def _finish(self, file: _File) -> None:
        result = file.result()
        if result is not None:
            self._results[file.path] = result
        if file.fault is not None:
            before = "" if result is None else f"; {_answered(len(result.starts))}"
            self.left_out.append(LeftOut(str(file.path), file.fault + before))
        elif result is not None and self.journal is not None:
            self.journal.put(result)
        self._report(file.path)

    def _report(self, path: Path) -> None:
        self._n_done += 1
        if self.progress is not None:
            self.progress(self._n_done, self.n_files, os.fspath(path))


def _answered(n_windows: int) -> str:
    return "the window before it is answered" if n_windows == 1 else f"the {n_windows} windows before it are answered"
