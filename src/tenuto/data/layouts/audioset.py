"""AudioSet (J. F. Gemmeke and others, 2017): segment lists, class_labels_indices.csv, and clips in any folders below.

527 classes, several a clip. Trained on balanced_train_segments.csv and unbalanced_train_segments.csv (whichever are
there), tested on eval_segments.csv. The clips are on no server: each downloader names them its own way (Y<id>.wav,
<id>.wav, <id>_<start>_<end>.wav with seconds or milliseconds) and finds what is left of them, so a clip is recognised
by the identifier alone, which the lists have once. Clips that are not there are counted, and listed by the check.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path

from tenuto.data.clips import Clip, ClipTable
from tenuto.data.formats import AUDIO_SUFFIXES, UNREAD_SUFFIXES
from tenuto.data.layouts.base import Layout, ignored, lines_of, set_name
from tenuto.data.tables import read_rows
from tenuto.errors import UsageError

CLASSES = "class_labels_indices.csv"
LISTS = {
    "balanced_train_segments.csv": "train",
    "unbalanced_train_segments.csv": "train",
    "eval_segments.csv": "test",
}
_STEM = r"(?P<id>[\w-]{11})(?:[_-]\d+(?:\.\d+)?){0,2}"  # an identifier of YouTube: 11 of A-Z, a-z, 0-9, - and _
_STEMS = (re.compile(f"Y{_STEM}"), re.compile(_STEM))


def _is_audioset(source: Path) -> bool:
    return (source / CLASSES).is_file() and any((source / name).is_file() for name in LISTS)


def _read_audioset(source: Path) -> ClipTable:
    names = _class_names(source / CLASSES)
    lists = {name: dict(_segments(source / name)) for name in LISTS if (source / name).is_file()}
    if not lists:
        raise UsageError(f"{source}: none of {', '.join(LISTS)} in it")
    files, n_others = _files(source, set().union(*lists.values()))
    order = {mid: index for index, mid in enumerate(names)}
    clips, notes, unknown = [], [], set[str]()
    for name, segments in lists.items():
        n_there = sum(video in files for video in segments)
        notes.append(f"{name}: {n_there} of {len(segments)} clips are there")
        for video, mids in segments.items() if n_there else ():
            unknown |= mids - names.keys()
            labels = tuple(names[mid] for mid in sorted(mids & names.keys(), key=order.__getitem__))
            clips.append(Clip(files.get(video, source / f"Y{video}.wav"), labels, split=LISTS[name]))
    if not clips:
        raise UsageError(f"{source}: no clip of its lists is below it; wanted names like Y--4gqARaEJE.wav")
    notes += ignored(n_others, "audio of no clip in the lists")
    if unknown:
        notes.append(f"{len(unknown)} labels of the lists are not in {CLASSES}, ignored (first: {min(unknown)})")
    return ClipTable(tuple(clips), tuple(names.values()), True, set_name(source), source, tuple(notes))


def _class_names(table: Path) -> dict[str, str]:
    """{machine identifier: display name}, in the order of the indices."""
    rows = read_rows(table, wanted=("index", "mid", "display_name"))
    names = {row["mid"]: row["display_name"] for row in rows}
    if len(set(names.values())) < len(rows):
        raise UsageError(f"{table}: a class is in it twice")
    return names


def _segments(table: Path) -> Iterator[tuple[str, set[str]]]:
    """(identifier, labels) of each row: YTID, start_seconds, end_seconds, "label,label"; lines of # are comments."""
    lines = [line for line in lines_of(table) if not line.startswith("#")]
    for number, cells in enumerate(csv.reader(lines, skipinitialspace=True), start=1):
        if len(cells) != 4:
            raise UsageError(f'{table}, clip {number}: {len(cells)} cells; wanted YTID, start, end, "label,label"')
        yield cells[0], set(cells[3].split(","))


def _files(source: Path, videos: set[str]) -> tuple[dict[str, Path], int]:
    """{identifier: its file}, the first of several, and the number of audio files of no identifier in `videos`."""
    files: dict[str, Path] = {}
    n_others = 0
    for where, folders, names in os.walk(source, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)
            if name.startswith(".") or suffix.lower() not in AUDIO_SUFFIXES | UNREAD_SUFFIXES:
                continue
            matches = (pattern.fullmatch(stem) for pattern in _STEMS)
            video = next((match["id"] for match in matches if match and match["id"] in videos), None)
            if video is None:
                n_others += 1
            else:
                files.setdefault(video, Path(where, name))
    return files, n_others


AUDIOSET = Layout(
    "audioset",
    f"AudioSet's layout ({CLASSES}, {', '.join(LISTS)}, and a folder of clips)",
    _is_audioset,
    _read_audioset,
)
