"""What identifies a set of clips, whatever is wrong with the files."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from data.sounds import make_folders
from tenuto.data.clips import Clip, make_table
from tenuto.data.identity import fingerprint
from tenuto.data.layouts.base import missing
from tenuto.data.sets import find_clips


def test_it_follows_sizes_and_not_the_place(tmp_path: Path) -> None:
    here, there = (find_clips(make_folders(tmp_path / name / "set", {"dog": 2, "cat": 1})) for name in "ab")
    before = fingerprint(here)
    assert fingerprint(there) == before
    here.clips[0].path.write_bytes(b"less")
    assert fingerprint(here) != before


@pytest.mark.parametrize("name", ["gone.wav", "x" * 300 + ".wav", "file/sub.wav", "a\0b.wav"])
def test_what_cannot_be_a_file_counts_as_missing(tmp_path: Path, name: str) -> None:
    make_folders(tmp_path, {"dog": 1, "cat": 1})
    (tmp_path / "file").write_bytes(b"x")
    clips = [*find_clips(tmp_path).clips, Clip(tmp_path / name, ("dog",))]
    table = make_table(clips, "set", tmp_path)
    assert len(fingerprint(table)) == 16
    (note,) = missing(clips, tmp_path)
    assert note.startswith("1 of the 3 clips listed are not there")


def test_a_folder_that_may_not_be_entered_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """chmod forbids root nothing, so looking into it is made to fail."""
    table = find_clips(make_folders(tmp_path, {"dog": 2, "cat": 2}))
    before = fingerprint(table)

    def forbidding(name: str) -> None:
        call = getattr(os, name)

        def forbidden(path: Any, *rest: Any, **options: Any) -> Any:
            if "cat" in Path(path).parts:
                raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
            return call(path, *rest, **options)

        monkeypatch.setattr(os, name, forbidden)

    forbidding("stat")
    forbidding("listdir")
    assert fingerprint(table) != before
    assert missing(table.clips, tmp_path) == ("2 of the 4 clips listed are not there (first: cat/00.wav)",)
