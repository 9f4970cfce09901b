"""One's own clips: a CSV of path, labels, optional fold and split; class folders, or train/, valid/, test/ of such."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path

from tenuto.data.clips import Clip, ClipTable, make_table
from tenuto.data.formats import AUDIO_SUFFIXES, UNREAD_SUFFIXES
from tenuto.data.layouts.base import WANTED, Layout, ignored, set_name
from tenuto.data.tables import part_of, read_clip_csv
from tenuto.errors import UsageError


def _csv_of(source: Path) -> Path:
    return source / "clips.csv" if source.is_dir() else source


def _is_csv(source: Path) -> bool:
    table = _csv_of(source)
    return table.is_file() and table.suffix.lower() in (".csv", ".tsv")


def _is_folders(source: Path) -> bool:
    return source.is_dir()


def _read_folders(source: Path) -> ClipTable:
    if not source.is_dir():
        raise UsageError(f"{source}: not a folder; wanted a folder of class folders")
    folders = [path.name for path in source.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))]
    by_part = len(folders) > 1 and all(part_of(name) for name in folders)
    clips, n_loose, others = [], 0, []
    files, again = _visible_files(source)
    for path in files:
        inside = path.relative_to(source).parts[:-1]
        if path.suffix.lower() not in AUDIO_SUFFIXES | UNREAD_SUFFIXES:
            others.append(path)
        elif len(inside) < 1 + by_part:
            n_loose += 1
        else:
            clips.append(Clip(path, (inside[by_part],), split=part_of(inside[0]) if by_part else None))
    if not clips:
        loose = f" ({n_loose} audio files are not in a class folder)" if n_loose else ""
        raise UsageError(f"{source}: no audio file in a class folder below it{loose}; {WANTED}")
    notes = (
        *ignored(len(others), "not audio", source, others),
        *ignored(n_loose, "audio that is in no class folder"),
        *ignored(len(again), "link to a folder that is read anyway", source, again),
    )
    return make_table(clips, set_name(source), source, multi_label=False, notes=notes)


def _visible_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """All files below a folder, and the links to folders that are read anyway, both sorted; nothing hidden.

    Links to folders are followed once, when all that is no link has been read: a folder's own name comes first.
    """
    found: list[Path] = []
    again: list[Path] = []
    visited: set[str] = set()
    tops = [str(folder)]
    while tops:
        links: list[str] = []
        for where, folders, names in chain.from_iterable(os.walk(top, onerror=_refuse) for top in tops):
            real = os.path.realpath(where)
            if real in visited:
                folders.clear()
                again.append(Path(where))
                continue
            visited.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
            links += filter(os.path.islink, (os.path.join(where, name) for name in folders))
            found += [Path(where, name) for name in names if not name.startswith(".")]
        tops = links
    return sorted(found), sorted(again)


def _refuse(error: OSError) -> None:
    """A folder that cannot be read stops all: a class would be gone without a word."""
    raise UsageError(
        f"{error.filename}: a folder that cannot be read ({error.strerror}): allow it, or move it elsewhere"
    ) from None


CSV = Layout(
    "csv",
    "a CSV of path, label and optional fold and split (or a folder with such a clips.csv)",
    _is_csv,
    lambda source: read_clip_csv(_csv_of(source)),
)
FOLDERS = Layout("folders", "a folder of class folders", _is_folders, _read_folders)
