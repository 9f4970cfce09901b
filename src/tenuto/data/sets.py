"""From a folder or a CSV to a clip table. A layout is a row of `LAYOUTS`: how to recognise and how to read it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tenuto.data.audio import AUDIO_SUFFIXES, UNREAD_SUFFIXES
from tenuto.data.clips import Clip, ClipTable, make_table
from tenuto.data.tables import part_of, read_clip_csv, read_rows
from tenuto.errors import UsageError


@dataclass(frozen=True)
class Layout:
    """A way that data sets are laid out on disk; one that recognises nothing is read when it is named."""

    name: str
    wanted: str
    recognises: Callable[[Path], bool] | None
    read: Callable[[Path], ClipTable]


def find_clips(source: str | os.PathLike[str], layout: str = "auto") -> ClipTable:
    """The clips of a data set: a folder of class folders, a CSV, ESC-50's layout, FSDD's file names.

    Args:
        source: a folder or a CSV file. A folder with a `clips.csv` is read by it.
        layout: a name of `LAYOUTS`, or "auto": the first that recognises the source.

    Raises:
        UsageError: no such source, an unknown layout, nothing recognised, or a table that contradicts itself.
    """
    path = Path(source)
    if not path.exists():
        raise UsageError(f"{path}: no such folder or file; wanted {_wanted()}")
    if layout not in ("auto", *(row.name for row in LAYOUTS)):
        names = ", ".join(row.name for row in LAYOUTS)
        raise UsageError(f"no data layout {layout!r}: wanted auto, {names}")
    for row in LAYOUTS:
        if row.name == layout or (layout == "auto" and row.recognises and row.recognises(path)):
            return row.read(path)
    raise UsageError(f"{path}: no data set recognised in it; wanted {_wanted()}")


def _wanted() -> str:
    return "; or ".join(row.wanted for row in LAYOUTS if row.recognises)


# ESC-50 (K. J. Piczak): meta/esc50.csv and audio/{fold}-{source}-{take}-{target}.wav


def _is_esc50(source: Path) -> bool:
    return (source / "meta" / "esc50.csv").is_file()


def _read_esc50(source: Path, only_esc10: bool = False) -> ClipTable:
    table = source / "meta" / "esc50.csv"
    rows = read_rows(table, wanted=("filename", "fold", "category") + (("esc10",) if only_esc10 else ()))
    clips = [
        Clip(source / "audio" / row["filename"], (row["category"],), row["fold"])
        for row in rows
        if not only_esc10 or row["esc10"] == "True"
    ]
    return make_table(clips, _name(source), source, multi_label=False)


# Free Spoken Digit Dataset (Z. Jackson): {digit}_{speaker}_{index}.wav; a fold is a speaker

_FSDD_NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[A-Za-z]+)_\d+\.wav")


def _is_fsdd(source: Path) -> bool:
    if not source.is_dir():
        return False
    sounds = [path for path in _fsdd_folder(source).iterdir() if path.suffix.lower() in AUDIO_SUFFIXES]
    return bool(sounds) and all(_FSDD_NAME.fullmatch(path.name) for path in sounds)


def _read_fsdd(source: Path) -> ClipTable:
    clips, n_others = [], 0
    folder = _fsdd_folder(source)
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if match := _FSDD_NAME.fullmatch(path.name):
            clips.append(Clip(path, (match["digit"],), fold=match["speaker"]))
        else:
            n_others += not path.name.startswith(".")
    if not clips:
        raise UsageError(f"{source}: no file in it is named like 7_jackson_32.wav (digit, speaker, index)")
    notes = _ignored(n_others, "not FSDD clips")
    return make_table(clips, _name(source), source, multi_label=False, notes=notes)


def _fsdd_folder(source: Path) -> Path:
    return source / "recordings" if (source / "recordings").is_dir() else source


# A CSV of path, label(s), optional fold and split


def _csv_of(source: Path) -> Path:
    return source / "clips.csv" if source.is_dir() else source


def _is_csv(source: Path) -> bool:
    table = _csv_of(source)
    return table.is_file() and table.suffix.lower() in (".csv", ".tsv")


# A folder of class folders, or train/, valid/ and test/ of such


def _is_folders(source: Path) -> bool:
    return source.is_dir()


def _read_folders(source: Path) -> ClipTable:
    if not source.is_dir():
        raise UsageError(f"{source}: not a folder; wanted a folder of class folders")
    folders = [path.name for path in source.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))]
    by_part = len(folders) > 1 and all(part_of(name) for name in folders)
    clips, n_loose, ignored = [], 0, []
    for path in _visible_files(source):
        inside = path.relative_to(source).parts[:-1]
        if path.suffix.lower() not in AUDIO_SUFFIXES | UNREAD_SUFFIXES:
            ignored.append(path)
        elif len(inside) < 1 + by_part:
            n_loose += 1
        else:
            clips.append(Clip(path, (inside[by_part],), split=part_of(inside[0]) if by_part else None))
    if not clips:
        loose = f" ({n_loose} audio files are not in a class folder)" if n_loose else ""
        raise UsageError(f"{source}: no audio file in a class folder below it{loose}; wanted {_wanted()}")
    notes = (
        *_ignored(len(ignored), "not audio", source, ignored),
        *_ignored(n_loose, "audio that is in no class folder"),
    )
    return make_table(clips, _name(source), source, multi_label=False, notes=notes)


def _visible_files(folder: Path) -> list[Path]:
    """All files below a folder, sorted; nothing hidden, links to folders followed once."""
    found: list[Path] = []
    visited: set[str] = set()
    for where, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        found += [Path(where, name) for name in names if not name.startswith(".")]
    return sorted(found)


def _ignored(n: int, what: str, root: Path | None = None, paths: list[Path] | None = None) -> tuple[str, ...]:
    """A note on files that were passed over, if any."""
    first = f" (first: {paths[0].relative_to(root)})" if paths and root else ""
    return (f"{n} {'file' if n == 1 else 'files'} ignored, {what}{first}",) if n else ()


def _name(source: Path) -> str:
    return source.resolve().name or str(source)


LAYOUTS: tuple[Layout, ...] = (
    Layout("esc50", "ESC-50's layout (meta/esc50.csv and audio/)", _is_esc50, _read_esc50),
    Layout("esc10", "ESC-50's layout, its ten-class part only", None, lambda source: _read_esc50(source, True)),
    Layout(
        "csv",
        "a CSV of path, label and optional fold and split (or a folder with such a clips.csv)",
        _is_csv,
        lambda source: read_clip_csv(_csv_of(source)),
    ),
    Layout("fsdd", "FSDD's file names (7_jackson_32.wav)", _is_fsdd, _read_fsdd),
    Layout("folders", "a folder of class folders", _is_folders, _read_folders),
)
