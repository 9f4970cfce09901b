"""Layouts: what each reads, what it passes over, and what it says where it cannot."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from data.sounds import make_folders
from tenuto.data.sets import LAYOUTS, find_clips
from tenuto.errors import UsageError


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not opened here")
    return path


def make_csv(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def test_class_folders(tmp_path: Path) -> None:
    table = find_clips(make_folders(tmp_path / "animals", {"dog": 3, "cat": 2}))
    assert (table.name, table.labels, table.multi_label) == ("animals", ("cat", "dog"), False)
    assert table.n_per_label == {"cat": 2, "dog": 3}
    assert table.folds == ()
    assert table.notes == ()
    assert [table.shown(clip.path) for clip in table.clips][:2] == ["cat/00.wav", "cat/01.wav"]


def test_what_is_below_a_class_folder_belongs_to_it(tmp_path: Path) -> None:
    touch(tmp_path / "dog" / "big" / "old" / "a.WAV")
    touch(tmp_path / "cat" / "b.mp3")
    table = find_clips(tmp_path)
    assert {(table.shown(clip.path), clip.labels) for clip in table.clips} == {
        ("dog/big/old/a.WAV", ("dog",)),
        ("cat/b.mp3", ("cat",)),
    }


def test_hidden_files_are_passed_over_and_others_counted(tmp_path: Path) -> None:
    make_folders(tmp_path, {"dog": 1, "cat": 1})
    for name in ("dog/.hidden.wav", ".git/a.wav", "__MACOSX/dog/a.wav", "dog/.cache/b.wav"):
        touch(tmp_path / name)
    for name in ("README.txt", "dog/notes.md"):
        touch(tmp_path / name)
    touch(tmp_path / "loose.wav")
    table = find_clips(tmp_path)
    assert len(table.clips) == 2
    assert table.notes == (
        "2 files ignored, not audio (first: README.txt)",
        "1 file ignored, audio that is in no class folder",
    )


def test_audio_of_other_formats_is_listed_so_that_the_check_can_name_it(tmp_path: Path) -> None:
    make_folders(tmp_path, {"dog": 1, "cat": 1})
    touch(tmp_path / "dog" / "x.m4a")
    assert "x.m4a" in {clip.path.name for clip in find_clips(tmp_path).clips}


def test_part_folders_of_class_folders(tmp_path: Path) -> None:
    for part, n in (("train", 3), ("Validation", 1), ("test", 2)):
        make_folders(tmp_path / part, {"dog": n, "cat": n})
    table = find_clips(tmp_path)
    assert table.labels == ("cat", "dog")
    assert {(clip.path.parts[-3], clip.split) for clip in table.clips} == {
        ("train", "train"),
        ("Validation", "valid"),
        ("test", "test"),
    }


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    make_folders(tmp_path, {"dog": 2, "cat": 2})
    (tmp_path / "dog" / "again").symlink_to(tmp_path / "dog")
    assert len(find_clips(tmp_path).clips) == 4


@pytest.mark.parametrize("link", ["alias", "bark/inner"])
def test_a_folders_own_name_comes_before_a_links(tmp_path: Path, link: str) -> None:
    make_folders(tmp_path, {"bark": 1, "zero": 2})
    (tmp_path / link).symlink_to(tmp_path / "zero")
    table = find_clips(tmp_path)
    assert table.n_per_label == {"bark": 1, "zero": 2}
    assert table.notes == (f"1 file ignored, link to a folder that is read anyway (first: {link})",)


def test_links_to_folders_elsewhere_are_classes(tmp_path: Path) -> None:
    make_folders(tmp_path / "elsewhere", {"wolf": 3})
    make_folders(tmp_path / "set", {"dog": 1})
    (tmp_path / "set" / "cat").symlink_to(tmp_path / "elsewhere" / "wolf")
    (tmp_path / "set" / "feline").symlink_to("cat")
    table = find_clips(tmp_path / "set")
    assert table.n_per_label == {"cat": 3, "dog": 1}
    assert table.notes == ("1 file ignored, link to a folder that is read anyway (first: feline)",)


def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """chmod forbids root nothing, so the listing is made to fail."""
    make_folders(tmp_path, {"dog": 2, "cat": 2, "owl": 2})
    scandir = os.scandir

    def forbidden(path: str) -> Any:
        if Path(path).name == "cat":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    with pytest.raises(UsageError, match=r"^\S*/cat: a folder that cannot be read \(Permission denied\): allow it, or"):
        find_clips(tmp_path)


def test_esc50_and_its_ten_classes(tmp_path: Path) -> None:
    rows = ["1-1-A-0.wav,1,0,dog,True,1,A", "2-2-A-1.wav,2,1,rooster,True,2,A", "3-3-A-2.wav,3,2,pig,False,3,A"]
    make_csv(tmp_path / "meta" / "esc50.csv", "filename,fold,target,category,esc10,src_file,take", *rows)
    table = find_clips(tmp_path)
    assert (table.labels, table.folds) == (("dog", "pig", "rooster"), ("1", "2", "3"))
    assert table.clips[0].path == tmp_path / "audio" / "1-1-A-0.wav"
    assert find_clips(tmp_path, "esc10").labels == ("dog", "rooster")


def test_fsdd_by_its_names_in_the_folder_or_above_it(tmp_path: Path) -> None:
    for name in ("7_jackson_32.wav", "0_theo_1.wav"):
        touch(tmp_path / "recordings" / name)
    for source in (tmp_path, tmp_path / "recordings"):
        table = find_clips(source)
        assert [(clip.labels, clip.fold) for clip in table.clips] == [(("0",), "theo"), (("7",), "jackson")]
    touch(tmp_path / "recordings" / "other.txt")
    assert find_clips(tmp_path).notes == ("1 file ignored, not FSDD clips",)
    with pytest.raises(UsageError, match="named like 7_jackson_32"):
        find_clips(make_folders(tmp_path / "x", {"a": 1}), "fsdd")


def test_a_csv_relative_to_itself(tmp_path: Path) -> None:
    path = make_csv(tmp_path / "deep" / "my.csv", "path,label,fold", "../a.wav,dog,1", "b c.wav,cat,2")
    table = find_clips(path)
    assert [clip.path for clip in table.clips] == [tmp_path / "deep" / "../a.wav", tmp_path / "deep" / "b c.wav"]
    assert (table.name, table.folds, table.labels) == ("my", ("1", "2"), ("cat", "dog"))


def test_a_folder_with_clips_csv_is_read_by_it(tmp_path: Path) -> None:
    make_folders(tmp_path / "set", {"dog": 2, "cat": 2})
    make_csv(tmp_path / "set" / "clips.csv", "path,label", "dog/00.wav,bark", "cat/00.wav,meow")
    table = find_clips(tmp_path / "set")
    assert (table.name, table.labels) == ("set", ("bark", "meow"))
    assert find_clips(tmp_path / "set", "folders").labels == ("cat", "dog")


@pytest.mark.parametrize("layout", ["auto", *(row.name for row in LAYOUTS)])
def test_no_such_source(tmp_path: Path, layout: str) -> None:
    with pytest.raises(UsageError, match="no such folder or file; wanted a folder of class folders"):
        find_clips(tmp_path / "nothing", layout)


@pytest.mark.parametrize("layout", [row.name for row in LAYOUTS])
def test_a_layout_that_is_named_and_not_there(tmp_path: Path, layout: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_clips(tmp_path, layout)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_an_unknown_layout(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no data layout 'esc': wanted auto, .*esc50, esc10, .*, csv, fsdd, folders"):
        find_clips(tmp_path, "esc")


def test_sources_without_a_data_set(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no audio file in a class folder"):
        find_clips(tmp_path)
    touch(tmp_path / "a.wav")
    with pytest.raises(UsageError, match=r"1 audio files are not in a class folder"):
        find_clips(tmp_path)
    with pytest.raises(UsageError, match="no data set recognised in it"):
        find_clips(tmp_path / "a.wav")


def test_the_real_sets(real_data: Path) -> None:
    esc10 = find_clips(real_data / "esc10")
    assert set(esc10.n_per_label.values()) == {40}
    assert find_clips(real_data / "esc10", "esc10").clips == esc10.clips
    fsdd = find_clips(real_data / "fsdd")
    assert (fsdd.folds, set(fsdd.n_per_label.values())) == (("george", "jackson", "lucas", "nicolas"), {200})
    notes = find_clips(real_data / "philharmonia")
    assert sorted(notes.n_per_label.values()) == [199, *[200] * 11]
    for table in (esc10, fsdd, notes):
        assert table.notes == ()
        assert all(clip.path.is_file() for clip in table.clips)
