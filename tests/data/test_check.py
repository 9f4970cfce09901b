"""The check: every bad file is named with its reason, and training stops where it must."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.sounds import chirp, make_folders, write, write_float
from tenuto.data.check import Report, check_clips, fingerprint
from tenuto.data.clips import Clip, ClipTable
from tenuto.data.sets import find_clips
from tenuto.data.splits import split
from tenuto.errors import WorkError


def checked(root: Path) -> tuple[ClipTable, Report]:
    table = find_clips(root)
    return table, check_clips(table.clips)


def spoil(root: Path) -> dict[str, str]:
    """Puts one file of every bad kind among the good ones; their reasons by name."""
    (root / "dog" / "empty.wav").write_bytes(b"")
    (root / "dog" / "text.wav").write_text("no sound")
    (root / "dog" / "film.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(50))
    sound = (root / "dog" / "00.wav").read_bytes()
    (root / "dog" / "header.wav").write_bytes(sound[:44])
    flac = write(root / "dog" / "cut.flac", chirp(1.0))
    flac.write_bytes(flac.read_bytes()[:5000])
    write_float(root / "dog" / "nan.wav", [0.1, np.nan, 0.1])
    write_float(root / "dog" / "silent.wav", np.full(1600, 5e-7, np.float32))
    return {
        "empty.wav": "empty (0 bytes)",
        "text.wav": "not audio",
        "film.m4a": "MP4",
        "header.wav": "no samples in it",
        "cut.flac": "corrupt",
        "nan.wav": "NaN or infinity",
        "silent.wav": "silent",
    }


def test_every_bad_file_is_named_with_its_reason(tmp_path: Path) -> None:
    make_folders(tmp_path, {"dog": 4, "cat": 4})
    wanted = spoil(tmp_path)
    table, report = checked(tmp_path)
    found = {path.name: reason for path, reason in report.left_out}
    assert found.keys() == wanted.keys()
    assert all(found[name].startswith(reason) for name, reason in wanted.items())
    assert len(report.good) == 8
    assert sum(report.n_per_reason.values()) == len(wanted)
    assert report.n_per_reason["not audio"] == 1
    usable = report.usable(table)
    assert usable.clips == report.good
    assert {clip.path.name for clip in usable.lost} == wanted.keys()
    assert split(usable).labels == ("cat", "dog")


def test_a_missing_file_of_a_csv(tmp_path: Path) -> None:
    make_folders(tmp_path, {"a": 2, "b": 2})
    (tmp_path / "clips.csv").write_text("path,label\na/00.wav,a\nb/00.wav,b\nb/gone.wav,b\n")
    _, report = checked(tmp_path)
    assert [(path.name, reason) for path, reason in report.left_out] == [("gone.wav", "no such file")]


def test_lengths_and_progress(tmp_path: Path) -> None:
    table = find_clips(make_folders(tmp_path, {"a": 3, "b": 1}, seconds=0.5, sample_rate=8000))
    steps: list[tuple[int, int]] = []
    report = check_clips(table.clips, progress=lambda *step: steps.append(step))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert report.seconds[tmp_path / "a" / "02.wav"] == pytest.approx(0.6)
    assert report.total_seconds == pytest.approx(0.5 + 0.55 + 0.6 + 0.5)
    assert report.warnings == ()


def test_clips_shorter_than_a_window_stay_with_a_warning(tmp_path: Path) -> None:
    make_folders(tmp_path, {"a": 2, "b": 2})
    write(tmp_path / "a" / "click.wav", chirp(0.02))
    table, report = checked(tmp_path)
    assert len(report.good) == len(table.clips)
    assert report.warnings == ("1 clip shorter than one window of 0.025 s: kept, padded with zeros",)
    long = check_clips(table.clips, window_seconds=1.0)
    assert long.warnings == ("5 clips shorter than one window of 1 s: kept, padded with zeros",)


def test_recordings_that_were_cut_off_stay_with_a_warning(tmp_path: Path) -> None:
    make_folders(tmp_path, {"a": 2, "b": 2})
    cut = write(tmp_path / "a" / "cut.wav", chirp(2.0))
    cut.write_bytes(cut.read_bytes()[: 44 + 2 * 16000])
    table, report = checked(tmp_path)
    assert len(report.good) == len(table.clips) == 5
    first = f"{cut}, 1.00 s of the 2.00 s that its header announces"
    assert report.warnings == (f"1 clip cut off: kept as they are, first: {first}",)


def silence(path: Path) -> Path:
    return write_float(path, np.zeros(1600, np.float32))


def test_a_class_of_silence_stays(tmp_path: Path) -> None:
    make_folders(tmp_path, {"dog": 2})
    for k in range(3):
        silence(tmp_path / "background" / f"{k}.wav")
    (tmp_path / "background" / "empty.wav").write_bytes(b"")
    silence(tmp_path / "dog" / "broken.wav")
    table, report = checked(tmp_path)
    assert [path.name for path, _ in report.left_out] == ["empty.wav", "broken.wav"]
    assert report.warnings[0] == "every clip of 'background' is silent: kept as a class of silence"
    assert report.usable(table).n_per_label == {"background": 3, "dog": 2}


def test_two_classes_of_silence_cannot_be_told_apart(tmp_path: Path) -> None:
    make_folders(tmp_path, {"dog": 4, "cat": 4})
    for label in ("lost", "found"):
        silence(tmp_path / label / "a.wav")
    table, report = checked(tmp_path)
    assert len(report.left_out) == 2
    with pytest.raises(WorkError, match=r"no usable training clip of 'found' \(1 of its files were left out\)"):
        split(report.usable(table))


def test_a_class_that_lost_its_training_clips_stops_before_training(tmp_path: Path) -> None:
    make_folders(tmp_path, {"dog": 4, "cat": 4})
    for path in (tmp_path / "cat").iterdir():
        path.write_bytes(b"")
    table, report = checked(tmp_path)
    with pytest.raises(WorkError, match=r"no usable training clip of 'cat' .*: repair them, add others, or"):
        split(report.usable(table))


def test_nothing_left_stops(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "x.wav").write_bytes(b"")
    table, report = checked(tmp_path)
    with pytest.raises(WorkError, match=r"none of its 2 clips can be used \(first: a/x.wav: empty \(0 bytes\)\)"):
        report.usable(table)


def test_a_fold_that_was_lost_stops(tmp_path: Path) -> None:
    make_folders(tmp_path, {"a": 4, "b": 4})
    rows = [f"{label}/{k:02d}.wav,{label},{k % 2 + 1}" for label in "ab" for k in range(4)]
    (tmp_path / "clips.csv").write_text("path,label,fold\n" + "\n".join(rows) + "\n")
    for path in tmp_path.glob("*/0[13].wav"):
        path.unlink()
    table, report = checked(tmp_path)
    with pytest.raises(WorkError, match="every clip of fold 2 was left out"):
        split(report.usable(table), "2")


def test_identical_files_are_reported(tmp_path: Path) -> None:
    make_folders(tmp_path, {"a": 3, "b": 3})
    shutil.copy(tmp_path / "a" / "00.wav", tmp_path / "a" / "copy.wav")
    shutil.copy(tmp_path / "a" / "01.wav", tmp_path / "b" / "copy.wav")
    _, report = checked(tmp_path)
    groups = {tuple(str(path.relative_to(tmp_path)) for path in group) for group in report.identical}
    assert groups == {("a/00.wav", "a/copy.wav"), ("a/01.wav", "b/copy.wav")}
    assert report.warnings[0].startswith("2 groups of identical files (1 of different labels, 0 in different folds")
    assert len(report.good) == 8


def test_the_fingerprint_follows_the_data_and_not_the_place(tmp_path: Path) -> None:
    make_folders(tmp_path / "one", {"a": 3, "b": 3})
    shutil.copytree(tmp_path / "one", tmp_path / "two" / "one")
    one, other = (fingerprint(*checked(root)) for root in (tmp_path / "one", tmp_path / "two" / "one"))
    assert one == other
    assert (one["name"], one["n_files"], one["seconds"]) == ("one", 6, pytest.approx(0.66))
    (tmp_path / "one" / "a" / "00.wav").rename(tmp_path / "one" / "b" / "moved.wav")
    assert fingerprint(*checked(tmp_path / "one"))["sha256"] != one["sha256"]


@pytest.mark.parametrize("column", ["fold", "split", "labels"])
def test_every_column_belongs_to_the_fingerprint(tmp_path: Path, column: str) -> None:
    table, report = checked(make_folders(tmp_path, {"a": 2, "b": 2}))
    values: list[object] = [("a",), ("b",)] if column == "labels" else ["train", "test"]

    def with_column(order: list[object]) -> str:
        clips = [replace(clip, **{column: order[k % 2]}) for k, clip in enumerate(table.clips)]
        return str(fingerprint(replace(table, clips=tuple(clips)), report)["sha256"])

    assert with_column(values) != with_column(values[::-1])


def test_left_out_files_belong_to_the_fingerprint(tmp_path: Path) -> None:
    make_folders(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "a" / "bad.wav").write_bytes(b"")
    table, report = checked(tmp_path)
    assert fingerprint(table, report) == fingerprint(report.usable(table), report)


def test_real_recordings_are_all_good(real_data: Path) -> None:
    table = find_clips(real_data / "fsdd")
    some = table.clips[::20]
    report = check_clips(some)
    assert report.good == some
    assert report.left_out == report.identical == report.warnings == ()
    assert 0.14 <= min(report.seconds.values()) <= max(report.seconds.values()) <= 1.4


def test_a_clip_of_no_label_may_be_checked(tmp_path: Path) -> None:
    clip = Clip(write(tmp_path / "a.wav", chirp(0.1)), ())
    assert check_clips([clip]).good == (clip,)
    assert check_clips([]).good == ()
