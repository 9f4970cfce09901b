"""The clip table refuses what contradicts itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tenuto.data.clips import Clip, ClipTable, make_table
from tenuto.errors import UsageError

ROOT = Path("set")


def clip(name: str, *labels: str, fold: str | None = None, split: str | None = None) -> Clip:
    return Clip(ROOT / name, labels, fold, split)


def test_labels_and_folds_are_sorted_numbers_by_value() -> None:
    table = make_table([clip("a", "10", fold="12"), clip("b", "9", fold="2"), clip("c", "no", fold="x")], "s", ROOT)
    assert table.labels == ("9", "10", "no")
    assert table.folds == ("2", "12", "x")
    assert table.n_per_label == {"9": 1, "10": 1, "no": 1}
    assert not table.multi_label


def test_several_labels_or_none_make_it_multi_label() -> None:
    assert make_table([clip("a", "x", "y"), clip("b", "x")], "s", ROOT).multi_label
    assert make_table([clip("a"), clip("b", "x")], "s", ROOT).multi_label


def test_the_same_file_twice_is_refused_however_it_is_spelled() -> None:
    rows = [clip("a.wav", "x", fold="1"), clip("sub/../a.wav", "x", fold="2")]
    with pytest.raises(UsageError, match=r"a\.wav is listed twice \(label x, fold 1; label x, fold 2\)"):
        make_table(rows, "s", ROOT)


@pytest.mark.parametrize("column", ["fold", "split"])
def test_folds_and_splits_are_for_all_or_none(column: str) -> None:
    rows = [replace(clip("a", "x"), **{column: "train"}), clip("b", "x")]
    with pytest.raises(UsageError, match=rf"1 of 2 clips have no {column} \(first: b\)"):
        make_table(rows, "s", ROOT)


def test_an_unknown_part_and_an_empty_table() -> None:
    with pytest.raises(UsageError, match="split 'holdout' is none of train, valid, test"):
        make_table([clip("a", "x", split="holdout")], "s", ROOT)
    with pytest.raises(UsageError, match="no clip in it"):
        make_table([], "s", ROOT)


def test_paths_are_shown_below_the_root() -> None:
    table = make_table([clip("a", "x")], "s", ROOT)
    assert table.shown(ROOT / "sub" / "a.wav") == "sub/a.wav"
    assert table.shown(Path("/elsewhere/a.wav")) == "/elsewhere/a.wav"


def test_our_own_mistakes_are_asserted() -> None:
    with pytest.raises(AssertionError, match="one label a clip"):
        ClipTable((clip("a", "x", "y"),), ("x", "y"), False, "s", ROOT)
    with pytest.raises(AssertionError, match="labels are those"):
        ClipTable((clip("a", "x"),), ("y",), False, "s", ROOT)
