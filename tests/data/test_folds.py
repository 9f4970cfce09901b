"""A table that gives folds and parts both: the fold named is the test part, the split column still validates."""

from __future__ import annotations

from pathlib import Path

from tenuto.data.clips import Clip, ClipTable, make_table
from tenuto.data.splits import split

ROOT = Path("set")


def table_of(parts: str) -> ClipTable:
    """Two labels a fold and letter: of folds 1 to 3, trained on (t), validating (v) or tested (x), twice each."""
    names = {"t": "train", "v": "valid", "x": "test"}
    clips = [
        Clip(ROOT / f"{fold}{letter}{label}{k}.wav", (label,), fold, names[letter])
        for fold in "123"
        for letter in parts
        for label in "ab"
        for k in range(2)
    ]
    return make_table(clips, "set", ROOT)


def test_valid_clips_outside_the_fold_named_validate() -> None:
    parts = split(table_of("tv"), "2")
    assert {(clip.fold, clip.split) for clip in parts.train} == {("1", "train"), ("3", "train")}
    assert {(clip.fold, clip.split) for clip in parts.valid} == {("1", "valid"), ("3", "valid")}
    assert {(clip.fold, clip.split) for clip in parts.test} == {("2", "train"), ("2", "valid")}
    assert parts.notes == ()


def test_clips_of_split_test_outside_the_fold_named_are_trained_on_and_counted() -> None:
    parts = split(table_of("tvx"), "2")
    assert {clip.split for clip in parts.train} == {"train", "test"}
    assert {clip.split for clip in parts.valid} == {"valid"}
    assert parts.notes == ("8 clips of split test are not in fold 2 and are trained on",)


def test_without_valid_clips_the_share_is_drawn() -> None:
    parts = split(table_of("t"), "2", valid_share=0.3)
    assert {clip.fold for clip in parts.valid} == {"1", "3"}
    assert len(parts.valid) == 2
