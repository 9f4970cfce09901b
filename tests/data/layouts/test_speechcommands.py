"""Speech Commands in a small folder laid out as it is published."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.sounds import chirp, write
from tenuto.data.check import check_clips
from tenuto.data.sets import find_clips
from tenuto.data.splits import split
from tenuto.data.utterances import WORDS_35
from tenuto.errors import UsageError


def make_speechcommands(root: Path, words: tuple[str, ...] = WORDS_35) -> Path:
    """Three speakers a word: one trains, one validates, one tests."""
    for word in words:
        for speaker in ("0a7c2a8d", "1b4c9b89", "ff2b842e"):
            write(root / word / f"{speaker}_nohash_0.wav", chirp(0.1))
    write(root / "_background_noise_" / "white_noise.wav", chirp(0.5))
    (root / "_background_noise_" / "README.md").write_text("noise")
    for name, speaker in (("validation_list.txt", "1b4c9b89"), ("testing_list.txt", "ff2b842e")):
        (root / name).write_text("".join(f"{word}/{speaker}_nohash_0.wav\n" for word in words))
    (root / "LICENSE").write_text("CC BY 4.0")
    return root


def test_its_two_lists_decide(tmp_path: Path) -> None:
    table = find_clips(make_speechcommands(tmp_path / "speech_commands_v0.02"))
    assert table == find_clips(tmp_path / "speech_commands_v0.02", "speechcommands")
    assert (table.labels, table.multi_label) == (tuple(sorted(WORDS_35)), False)
    assert table.notes == ("1 file ignored, background noise, no class (first: _background_noise_/white_noise.wav)",)
    parts = split(table)
    speakers = [{clip.path.name[:8] for clip in part} for part in (parts.train, parts.valid, parts.test)]
    assert speakers == [{"0a7c2a8d"}, {"1b4c9b89"}, {"ff2b842e"}]
    assert [len(part) for part in (parts.train, parts.valid, parts.test)] == [35, 35, 35]


def test_missing_and_corrupt_clips_are_counted_and_listed(tmp_path: Path) -> None:
    root = make_speechcommands(tmp_path, ("yes", "no", "up"))
    (root / "yes" / "ff2b842e_nohash_0.wav").unlink()
    (root / "no" / "1b4c9b89_nohash_0.wav").write_bytes(b"RIFF")
    table = find_clips(root)
    assert "1 of the 9 clips listed are not there (first: yes/ff2b842e_nohash_0.wav)" in table.notes
    report = check_clips(table.clips, n_threads=1)
    assert {table.shown(path) for path, _ in report.left_out} == {
        "yes/ff2b842e_nohash_0.wav",
        "no/1b4c9b89_nohash_0.wav",
    }
    parts = split(report.usable(table))
    assert [len(part) for part in (parts.train, parts.valid, parts.test)] == [3, 2, 2]


def test_lists_that_contradict_themselves(tmp_path: Path) -> None:
    root = make_speechcommands(tmp_path, ("yes", "no"))
    listed = (root / "testing_list.txt").read_text()
    (root / "testing_list.txt").write_text(listed + "yes/1b4c9b89_nohash_0.wav\n")
    with pytest.raises(UsageError, match=r"yes/1b4c9b89_nohash_0\.wav is in validation_list\.txt and in testing_list"):
        find_clips(root)
    (root / "testing_list.txt").write_text("1b4c9b89_nohash_0.wav\n")
    with pytest.raises(UsageError, match=r"testing_list\.txt: .*wanted word/file\.wav in each line"):
        find_clips(root)
    (root / "testing_list.txt").write_text("yes/ff2b842e\0.wav\n")
    with pytest.raises(UsageError, match=r"testing_list\.txt: not text \(a NUL character in it\)"):
        find_clips(root)


def test_lists_and_no_words(tmp_path: Path) -> None:
    for name in ("validation_list.txt", "testing_list.txt"):
        (tmp_path / name).write_text("")
    with pytest.raises(UsageError, match="wanted a folder a word"):
        find_clips(tmp_path)
