"""What is named becomes files, and nothing that is named is passed over in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenuto.errors import UsageError
from tenuto.inference.inputs import find_files


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_folders_are_searched_all_the_way_down(tmp_path: Path) -> None:
    _touch(tmp_path, "b.wav", "a/deep/c.FLAC", "a/x.mp3", "notes.txt", ".hidden.wav", ".git/d.wav", "a/.e.ogg")
    files, left_out = find_files(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in files] == ["a/deep/c.FLAC", "a/x.mp3", "b.wav"]
    assert left_out == []


def test_formats_that_are_not_read_are_listed_by_the_reader(tmp_path: Path) -> None:
    _touch(tmp_path, "a.m4a")
    assert find_files(tmp_path)[0] == [tmp_path / "a.m4a"]


def test_named_files_stay_in_order_and_come_once(tmp_path: Path) -> None:
    _touch(tmp_path, "b.wav", "a.wav", "odd.name")
    named = [tmp_path / "odd.name", tmp_path / "b.wav", tmp_path, tmp_path / "missing.wav"]
    files, _ = find_files(named)
    assert [path.name for path in files] == ["odd.name", "b.wav", "a.wav", "missing.wav"]


def test_a_folder_without_audio_is_said(tmp_path: Path) -> None:
    _touch(tmp_path, "notes.txt")
    assert find_files([tmp_path]) == ([], [(str(tmp_path), "a folder without audio files")])


def test_nothing_named_is_refused() -> None:
    with pytest.raises(UsageError, match="name audio files or folders"):
        find_files([])
