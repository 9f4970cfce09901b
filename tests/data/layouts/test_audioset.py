"""AudioSet in a small folder laid out as it is published, with clips named as the downloaders name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.sounds import chirp, write
from tenuto.data.check import check_clips
from tenuto.data.sets import find_clips
from tenuto.data.splits import split
from tenuto.errors import UsageError

# index, machine identifier and name, as in the published file (which has 527); names with commas are in quotes
CLASSES = (
    ("/m/09x0r", "Speech"),
    ("/m/05zppz", "Male speech, man speaking"),
    ("/m/04rlf", "Music"),
    ("/m/07qfr4h", "Sidetone"),
)
BALANCED = {"--PJHxphWEs": "/m/09x0r,/m/05zppz", "Y_abcdefghi": "/m/04rlf", "0-_9AZaz_42": "/m/04rlf,/m/09x0r"}
UNBALANCED = {"aaaaaaaaaaa": "/m/05zppz", "bbbbbbbbbbb": "/m/07qfr4h", "ccccccccccc": "/m/04rlf"}
EVAL = {"-_-_-_-_-_1": "/m/09x0r", "ddddddddddd": "/m/04rlf,/m/07qfr4h"}
NAMES = {  # identifier: its file
    "--PJHxphWEs": "balanced_train_segments/Y--PJHxphWEs.wav",
    "Y_abcdefghi": "balanced_train_segments/Y_abcdefghi.flac",
    "0-_9AZaz_42": "balanced_train_segments/0-_9AZaz_42_30.000_40.000.wav",
    "aaaaaaaaaaa": "unbalanced_train_segments/part00/aaaaaaaaaaa_30000_40000.ogg",
    "bbbbbbbbbbb": "unbalanced_train_segments/part41/Ybbbbbbbbbbb_30-40.wav",
    "ccccccccccc": "unbalanced_train_segments/part41/ccccccccccc_30.wav",
    "-_-_-_-_-_1": "eval_segments/Y-_-_-_-_-_1.wav",
    "ddddddddddd": "eval_segments/ddddddddddd.wav",
}


def put_list(path: Path, segments: dict[str, str]) -> None:
    """A segment list with its three lines of comment."""
    labels = {label for labels in segments.values() for label in labels.split(",")}
    path.write_text(
        "# Segments csv created Sun Mar  5 10:54:31 2017\n"
        f"# num_ytids={len(segments)}, num_segs={len(segments)}, num_unique_labels={len(labels)}, "
        "num_positive_labels=9\n"
        "# YTID, start_seconds, end_seconds, positive_labels\n"
        + "".join(f'{video}, 30.000, 40.000, "{labels}"\n' for video, labels in segments.items())
    )


def make_audioset(root: Path, names: dict[str, str] = NAMES) -> Path:
    root.mkdir(exist_ok=True)
    rows = [f'{k},{mid},"{name}"' for k, (mid, name) in enumerate(CLASSES)]
    (root / "class_labels_indices.csv").write_text("\n".join(["index,mid,display_name", *rows]) + "\n")
    put_list(root / "balanced_train_segments.csv", BALANCED)
    put_list(root / "unbalanced_train_segments.csv", UNBALANCED)
    put_list(root / "eval_segments.csv", EVAL)
    for name in names.values():
        write(root / name, chirp(0.2))
    return root


def test_clips_are_found_however_they_are_named(tmp_path: Path) -> None:
    table = find_clips(make_audioset(tmp_path / "AudioSet"))
    assert table == find_clips(tmp_path / "AudioSet", "audioset")
    assert table.multi_label
    assert table.labels == tuple(name for _, name in CLASSES)  # in the order of the indices
    assert {table.shown(clip.path) for clip in table.clips} == set(NAMES.values())
    by_name = {table.shown(clip.path): clip for clip in table.clips}
    assert by_name[NAMES["--PJHxphWEs"]].labels == ("Speech", "Male speech, man speaking")
    assert by_name[NAMES["0-_9AZaz_42"]].labels == ("Speech", "Music")
    parts = split(table)
    assert {table.shown(clip.path) for clip in parts.test} == {NAMES[video] for video in EVAL}
    assert len(parts.train) + len(parts.valid) == len(BALANCED) + len(UNBALANCED)
    assert table.notes == (
        "balanced_train_segments.csv: 3 of 3 clips are there",
        "unbalanced_train_segments.csv: 3 of 3 clips are there",
        "eval_segments.csv: 2 of 2 clips are there",
    )


def test_missing_clips_are_counted_and_listed_and_nothing_stops(tmp_path: Path) -> None:
    there = {video: name for video, name in NAMES.items() if video not in ("bbbbbbbbbbb", "ddddddddddd")}
    root = make_audioset(tmp_path, there)
    (root / NAMES["ccccccccccc"]).write_bytes(b"<html>Video unavailable</html>")
    table = find_clips(root)
    assert "unbalanced_train_segments.csv: 2 of 3 clips are there" in table.notes
    report = check_clips(table.clips, n_threads=1)
    assert {(path.name, reason) for path, reason in report.left_out} == {
        ("Ybbbbbbbbbbb.wav", "no such file"),
        ("Yddddddddddd.wav", "no such file"),
        ("ccccccccccc_30.wav", "not audio (begins with b'<html>Vi')"),
    }
    parts = split(report.usable(table), valid_share=0)
    assert (len(parts.train), len(parts.test)) == (4, 1)
    assert parts.labels == ("Speech", "Male speech, man speaking", "Music")  # no clip of Sidetone was left
    assert any("no training clip of 'Sidetone'" in note for note in parts.notes)


def test_a_list_of_which_nothing_was_downloaded_is_passed_over(tmp_path: Path) -> None:
    there = {video: name for video, name in NAMES.items() if video not in UNBALANCED}
    table = find_clips(make_audioset(tmp_path, there))
    assert len(table.clips) == len(BALANCED) + len(EVAL)
    assert "unbalanced_train_segments.csv: 0 of 3 clips are there" in table.notes


def test_a_copy_without_one_of_the_lists_and_with_other_files(tmp_path: Path) -> None:
    root = make_audioset(tmp_path)
    (root / "unbalanced_train_segments.csv").unlink()
    write(root / "eval_segments" / "another_0123.wav", chirp(0.1))
    (root / "eval_segments" / "ddddddddddd.json").write_text("{}")
    notes = find_clips(root).notes
    assert notes[-1] == f"{len(UNBALANCED) + 1} files ignored, audio of no clip in the lists"


def test_labels_that_the_classes_do_not_have(tmp_path: Path) -> None:
    root = make_audioset(tmp_path)
    put_list(root / "eval_segments.csv", {"ddddddddddd": "/m/04rlf,/t/dd00125"})
    notes = find_clips(root).notes
    assert "1 labels of the lists are not in class_labels_indices.csv, ignored (first: /t/dd00125)" in notes


def test_no_clip_at_all_and_lists_that_are_broken(tmp_path: Path) -> None:
    root = make_audioset(tmp_path, {})
    with pytest.raises(UsageError, match="no clip of its lists is below it"):
        find_clips(root)
    (root / "eval_segments.csv").write_text("# one\nddddddddddd, 30.000, 40.000\n")
    with pytest.raises(UsageError, match=r"eval_segments\.csv, clip 1: 3 cells; wanted YTID, start, end"):
        find_clips(root)
    for name in ("balanced_train_segments.csv", "unbalanced_train_segments.csv", "eval_segments.csv"):
        (root / name).unlink()
    with pytest.raises(UsageError, match=r"none of balanced_train_segments\.csv"):
        find_clips(root, "audioset")
