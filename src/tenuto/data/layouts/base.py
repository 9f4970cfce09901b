"""What readers of data sets share: the row of the registry, lists of lines, and notes on what is passed over."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tenuto.data.clips import Clip, ClipTable
from tenuto.errors import UsageError

WANTED = (
    "wanted a folder of class folders, a CSV of path and label (or a folder with such a clips.csv), "
    "or a data set as it is published ('tenuto data list' names them)"
)


@dataclass(frozen=True)
class Layout:
    """A way that data sets are laid out on disk; one that recognises nothing is read when it is named."""

    name: str
    wanted: str
    recognises: Callable[[Path], bool] | None
    read: Callable[[Path], ClipTable]


def set_name(source: Path) -> str:
    """What a data set is called in reports: its folder."""
    return source.resolve().name or str(source)


def lines_of(path: Path) -> list[str]:
    """The lines of a text file that are not blank, stripped.

    Raises:
        UsageError: it is not there, cannot be read, or is not UTF-8 text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); wanted as the data set is published") from None
    if "\0" in text:
        raise UsageError(f"{path}: not text (a NUL character in it); wanted as the data set is published")
    return [line.strip() for line in text.splitlines() if line.strip()]


def ignored(n: int, what: str, root: Path | None = None, paths: Sequence[Path] = ()) -> tuple[str, ...]:
    """A note on files that were passed over, if any."""
    first = f" (first: {paths[0].relative_to(root)})" if paths and root else ""
    return (f"{n} {'file' if n == 1 else 'files'} ignored, {what}{first}",) if n else ()


def missing(clips: Iterable[Clip], root: Path) -> tuple[str, ...]:
    """A note on clips that the data set lists and that are not there, if any; each folder is listed once.

    They stay in the table, so that the check lists every one of them.
    """
    paths = [clip.path for clip in clips]
    folders = {path.parent for path in paths}
    there = {folder: _names(folder) for folder in folders}
    absent = [path for path in paths if path.name not in there[path.parent]]
    if not absent:
        return ()
    first = absent[0].relative_to(root) if absent[0].is_relative_to(root) else absent[0]
    return (f"{len(absent)} of the {len(paths)} clips listed are not there (first: {first.as_posix()})",)


def _names(folder: Path) -> set[str]:
    """What is in a folder; nothing where it is missing or may not be looked into."""
    try:
        return set(os.listdir(folder))
    except (OSError, ValueError):
        return set()
