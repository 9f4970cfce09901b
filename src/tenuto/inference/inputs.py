"""What a person names on a command line, as a list of audio files: files as they are, folders all the way down."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tenuto.data.formats import AUDIO_SUFFIXES, UNREAD_SUFFIXES
from tenuto.errors import UsageError

PathLike = str | os.PathLike[str]


def find_files(inputs: PathLike | Sequence[PathLike]) -> tuple[list[Path], list[tuple[str, str]]]:
    """Files and folders -> (files in order, each once; [(input, why it gave none)]).

    A file that is named is taken whatever its name is, or whether it exists: reading it says what is wrong.
    From a folder come all files, at any depth, whose name says audio, sorted; hidden ones are passed over.

    Raises:
        UsageError: where nothing is named.
    """
    named = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    if not named:
        raise UsageError("no files to read: name audio files or folders of them")
    files: dict[Path, None] = {}  # a set that keeps its order
    left_out: list[tuple[str, str]] = []
    for item in map(Path, named):
        found = _audio_under(item) if item.is_dir() else [item]
        if not found:
            left_out.append((str(item), "a folder without audio files"))
        files.update(dict.fromkeys(found))
    return list(files), left_out


def _audio_under(folder: Path) -> list[Path]:
    """Sorted; formats that are not read here too, so that they are listed rather than passed over."""
    suffixes = AUDIO_SUFFIXES | UNREAD_SUFFIXES
    found: list[Path] = []
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(here, name) for name in names if Path(name).suffix.lower() in suffixes]
    return sorted(path for path in found if not path.name.startswith("."))
