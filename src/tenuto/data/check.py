"""Every file decoded once before anything is trained on it: what cannot be used, why, and what is odd about the rest.

Left out: files that are missing, empty, without samples, no audio, corrupt, that hold NaN or infinity, and silent ones.
Silence cannot be told from a failed recording, so a silent clip only stays where it is what its class is: where every
readable clip of one class (and of one only, for two could not be told apart) is silent.
Kept, with a warning: clips shorter than one analysis window (padded with zeros), recordings that end before their
header says, and identical files.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tenuto.data import audio
from tenuto.data.clips import Clip, ClipTable
from tenuto.data.splits import LeftOut
from tenuto.errors import WorkError
from tenuto.report.words import counted

SILENT_PEAK = 1e-6
"""A clip whose largest sample is below this is silent: -120 dB of full scale, a thirtieth of a 16-bit step."""
WINDOW_SECONDS = 0.025
"""The front ends' default analysis window."""

Progress = Callable[[int, int], None]
"""Is told (files done, files in all)."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class Report:
    """What `check_clips` found.

    `good` are the clips to use, `left_out` the files not to, with the reason; `facts` is known of every file that
    could be decoded; `identical` are groups of files of the same bytes; `warnings` are lines about clips that stay.
    """

    good: tuple[Clip, ...]
    left_out: tuple[LeftOut, ...]
    facts: dict[Path, audio.AudioFacts]
    identical: tuple[tuple[Path, ...], ...]
    warnings: tuple[str, ...]

    @property
    def seconds(self) -> dict[Path, float]:
        """Length of every file that could be decoded."""
        return {path: facts.seconds for path, facts in self.facts.items()}

    @property
    def total_seconds(self) -> float:
        """Length of the good clips together."""
        return sum(self.facts[clip.path].seconds for clip in self.good)

    @property
    def n_per_reason(self) -> dict[str, int]:
        """Files left out for each reason (what a reason adds in brackets does not make it another), most first."""
        return dict(Counter(entry.reason.split(" (")[0] for entry in self.left_out).most_common())

    def usable(self, table: ClipTable) -> ClipTable:
        """The table without what is left out; it remembers what it lost, so that `split` stops where a class did.

        Raises:
            WorkError: nothing is left.
        """
        bad = {entry.path for entry in self.left_out}
        good = tuple(clip for clip in table.clips if clip.path not in bad)
        if not good:
            first = f"{table.shown(self.left_out[0].path)}: {self.left_out[0].reason}"
            raise WorkError(f"{table.name}: none of its {len(table.clips)} clips can be used (first: {first})")
        lost = tuple(clip for clip in table.clips if clip.path in bad)
        return replace(table, clips=good, lost=(*table.lost, *lost))


def check_clips(
    clips: Iterable[Clip],
    *,
    window_seconds: float = WINDOW_SECONDS,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Decodes every file once and reports.

    Args:
        window_seconds: clips shorter than this are warned of.
        n_threads: that decode; None: one a processor, at most 8.
    """
    table = tuple(clips)
    found = _each(_scan, [clip.path for clip in table], n_threads, progress)
    facts = {clip.path: f for clip, f in zip(table, found, strict=True) if isinstance(f, audio.AudioFacts)}
    reasons = {clip.path: r for clip, r in zip(table, found, strict=True) if isinstance(r, str)}
    silent = {path for path, fact in facts.items() if (fact.peak or 0.0) < SILENT_PEAK}
    classes_of_silence = _classes_of_silence(table, silent, reasons)
    for clip in table:
        if clip.path in silent and not classes_of_silence.intersection(clip.labels):
            reasons[clip.path] = "silent (no sample above 0.000001)"
    good = tuple(clip for clip in table if clip.path not in reasons)
    identical = _identical([clip.path for clip in good], n_threads)
    warnings = [f"every clip of {label!r} is silent: kept as a class of silence" for label in classes_of_silence]
    warnings += _short([facts[clip.path].seconds for clip in good], window_seconds)
    warnings += _told_cut([(clip.path, facts[clip.path]) for clip in good])
    warnings += _told_identical(good, identical)
    left_out = tuple(LeftOut(path, reason) for path, reason in reasons.items())
    return Report(good, left_out, facts, identical, tuple(warnings))


def fingerprint(table: ClipTable, report: Report) -> dict[str, Any]:
    """What identifies the data of a result: name, number and seconds of usable files, hash of all paths and labels.

    Paths count relative to the table's root, so the same set elsewhere has the same hash.
    """
    rows = sorted(
        repr((table.shown(clip.path), clip.labels, clip.fold, clip.split)) for clip in (*table.clips, *table.lost)
    )
    digest = hashlib.sha256("\n".join(rows).encode("utf-8", "surrogateescape")).hexdigest()
    seconds = round(report.total_seconds, 3)
    return {"name": table.name, "n_files": len(report.good), "seconds": seconds, "sha256": digest}


def _scan(path: Path) -> audio.AudioFacts | str:
    try:
        return audio.scan(path)
    except audio.AudioError as error:
        return error.reason


def _each(
    do: Callable[[Path], Result],
    paths: Sequence[Path],
    n_threads: int | None,
    progress: Progress | None = None,
) -> list[Result]:
    """`do` of every path, in order, by threads (decoders release Python's lock)."""
    results = []
    pool = ThreadPoolExecutor(n_threads or min(8, os.cpu_count() or 1))
    try:
        for result in pool.map(do, paths):
            results.append(result)
            if progress is not None:
                progress(len(results), len(paths))
    finally:
        pool.shutdown(cancel_futures=True)  # an interruption does not wait for the rest of the files
    return results


def _classes_of_silence(clips: Sequence[Clip], silent: set[Path], reasons: dict[Path, str]) -> set[str]:
    """The label of which every readable clip is silent, if it is the only one."""
    readable = [clip for clip in clips if clip.path not in reasons]
    labels = {label for clip in readable for label in clip.labels}
    heard = {label for clip in readable if clip.path not in silent for label in clip.labels}
    return labels - heard if len(labels - heard) == 1 else set()


def _identical(paths: Sequence[Path], n_threads: int | None) -> tuple[tuple[Path, ...], ...]:
    """Groups of files of the same bytes."""
    same_size = _groups(paths, [path.stat().st_size for path in paths])
    suspects = [path for group in same_size for path in group]
    return _groups(suspects, _each(_digest, suspects, n_threads))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=16)).hexdigest()


def _groups(paths: Sequence[Path], keys: Sequence[int | str]) -> tuple[tuple[Path, ...], ...]:
    groups = defaultdict(list)
    for path, key in zip(paths, keys, strict=True):
        groups[key].append(path)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _short(seconds: Sequence[float], window_seconds: float) -> list[str]:
    n_short = sum(length < window_seconds for length in seconds)
    told = f"{counted(n_short, 'clip')} shorter than one window of {window_seconds:g} s: kept, padded with zeros"
    return [told] if n_short else []


def _told_cut(clips: Sequence[tuple[Path, audio.AudioFacts]]) -> list[str]:
    """A line on files that were cut off: how many, and the first."""
    cut = [(path, f.seconds, f.announced_seconds) for path, f in clips if f.announced_seconds is not None]
    if not cut:
        return []
    path, seconds, announced = cut[0]
    first = f"{path}, {seconds:.2f} s of the {announced:.2f} s that its header announces"
    return [f"{counted(len(cut), 'clip')} cut off: kept as they are, first: {first}"]


def _told_identical(clips: Sequence[Clip], identical: Sequence[Sequence[Path]]) -> list[str]:
    """Lines on identical files: how many, and the worse cases, of different labels and of different folds."""
    if not identical:
        return []
    by_path = {clip.path: clip for clip in clips}
    groups = [[by_path[path] for path in group] for group in identical]
    n_labels = sum(len({clip.labels for clip in group}) > 1 for group in groups)
    n_parts = sum(len({(clip.fold, clip.split) for clip in group}) > 1 for group in groups)
    first = " = ".join(str(clip.path) for clip in groups[0][:2])
    return [
        f"{counted(len(groups), 'group')} of identical files ({n_labels} of different labels, "
        f"{n_parts} in different folds or parts), first: {first}"
    ]
