"""NSynth in a small folder laid out as it is published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.sounds import chirp, write
from tenuto.data.check import check_clips
from tenuto.data.sets import find_clips
from tenuto.data.splits import split
from tenuto.errors import UsageError

FAMILIES = ("bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "synth_lead", "vocal")


def make_nsynth(root: Path, parts: tuple[str, ...] = ("train", "valid", "test")) -> Path:
    """Two notes of each family in training, one elsewhere; synth_lead is in training only, as published."""
    for part in parts:
        examples = {}
        for k, family in enumerate(FAMILIES):
            for velocity in ("050", "127") if part == "train" else ("075",) if family != "synth_lead" else ():
                name = f"{family}_acoustic_{('train', 'valid', 'test').index(part):03d}-060-{velocity}"
                instrument = {"instrument_family": k, "instrument_family_str": family, "instrument_str": name[:-8]}
                examples[name] = {
                    "note_str": name,
                    "pitch": 60,
                    "qualities_str": [],
                    "sample_rate": 16000,
                    **instrument,
                }
                write(root / f"nsynth-{part}" / "audio" / f"{name}.wav", chirp(0.1))
        (root / f"nsynth-{part}" / "examples.json").write_text(json.dumps(examples))
    return root


def part_folders(clips: tuple[object, ...]) -> set[str]:
    return {clip.path.parts[-3] for clip in clips}  # type: ignore[attr-defined]


def test_its_three_parts_and_eleven_families(tmp_path: Path) -> None:
    table = find_clips(make_nsynth(tmp_path / "NSynth"))
    assert table == find_clips(tmp_path / "NSynth", "nsynth")
    assert (table.labels, table.multi_label, table.notes) == (FAMILIES, False, ())
    parts = split(table)
    assert [part_folders(part) for part in (parts.train, parts.valid, parts.test)] == [
        {"nsynth-train"},
        {"nsynth-valid"},
        {"nsynth-test"},
    ]
    assert (len(parts.train), len(parts.valid), len(parts.test)) == (22, 10, 10)
    assert parts.labels == FAMILIES  # synth_lead is learned, though nothing tests it


def test_the_papers_test_part_is_nsynth_valid(tmp_path: Path) -> None:
    table = find_clips(make_nsynth(tmp_path), "nsynth-paper")
    parts = split(table)
    assert part_folders(parts.test) == {"nsynth-valid"}
    assert part_folders((*parts.train, *parts.valid)) == {"nsynth-train"}
    assert table.notes == ("tested on nsynth-valid, as the paper does",)


def test_a_copy_without_the_test_part_is_read_as_the_paper_reads_it(tmp_path: Path) -> None:
    root = make_nsynth(tmp_path, ("train", "valid"))
    assert find_clips(root) == find_clips(root, "nsynth-paper")


def test_missing_and_corrupt_clips_are_counted_and_listed(tmp_path: Path) -> None:
    root = make_nsynth(tmp_path)
    audio = root / "nsynth-test" / "audio"
    (audio / "bass_acoustic_002-060-075.wav").unlink()
    (audio / "vocal_acoustic_002-060-075.wav").write_bytes(b"")
    table = find_clips(root)
    first = "nsynth-test/audio/bass_acoustic_002-060-075.wav"
    assert table.notes == (f"1 of the 42 clips listed are not there (first: {first})",)
    report = check_clips(table.clips, n_threads=1)
    assert {path.name.split("_")[0] for path, _ in report.left_out} == {"bass", "vocal"}
    assert len(split(report.usable(table)).test) == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"examples\.json: not JSON"),
        ("[]", r"wanted \{note: \{instrument_family_str"),
        ('{"a": {}}', r"wanted \{note: \{instrument_family_str"),
    ],
)
def test_examples_that_are_not_nsynths(tmp_path: Path, text: str, message: str) -> None:
    root = make_nsynth(tmp_path)
    (root / "nsynth-train" / "examples.json").write_text(text)
    with pytest.raises(UsageError, match=message):
        find_clips(root)
