"""Splits: no clip and no fold on two sides, classes in proportion, the same for the same seed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.data.clips import Clip, ClipTable, make_table
from tenuto.data.sets import find_clips
from tenuto.data.splits import Parts, split
from tenuto.errors import UsageError, WorkError

ROOT = Path("set")


def table_of(counts: dict[str, int], n_folds: int = 0) -> ClipTable:
    """So many clips of each class, in folds in turn."""
    clips = [
        Clip(ROOT / label / f"{k}.wav", (label,), str(k % n_folds + 1) if n_folds else None)
        for label, n in counts.items()
        for k in range(n)
    ]
    return make_table(clips, "set", ROOT)


def labels_of(clips: tuple[Clip, ...]) -> Counter[str]:
    return Counter(label for clip in clips for label in clip.labels)


def assert_whole(parts: Parts, table: ClipTable) -> None:
    """Every clip is in exactly one part, or listed as left out."""
    paths = [clip.path for clip in parts.clips] + [path for path, _ in parts.left_out]
    assert len(paths) == len(set(paths))
    assert set(paths) == {clip.path for clip in table.clips}


@given(
    counts=st.dictionaries(st.sampled_from("abcdef"), st.integers(5, 30), min_size=2),
    n_folds=st.integers(2, 5),
    share=st.floats(0, 0.5),
    seed=st.integers(0, 5),
    data=st.data(),
)
@settings(max_examples=50, deadline=None)
def test_folds_never_leak(counts: dict[str, int], n_folds: int, share: float, seed: int, data: st.DataObject) -> None:
    table = table_of(counts, n_folds)
    fold = data.draw(st.sampled_from(table.folds))
    parts = split(table, fold, share, seed)
    assert {clip.fold for clip in parts.test} == {fold}
    assert fold not in {clip.fold for clip in parts.train + parts.valid}
    assert_whole(parts, table)
    assert len(parts.test) == sum(clip.fold == fold for clip in table.clips)


@given(
    counts=st.dictionaries(st.sampled_from("abcdef"), st.integers(3, 40), min_size=2),
    share=st.floats(0.05, 0.5),
    seed=st.integers(0, 5),
)
@settings(max_examples=50, deadline=None)
def test_drawn_parts_are_stratified(counts: dict[str, int], share: float, seed: int) -> None:
    table = table_of(counts)
    parts = split(table, valid_share=0, seed=seed, test_share=share)
    found = labels_of(parts.test)
    for label, n in counts.items():
        assert found[label] == min(n - 1, max(1, int(share * n + 0.5)))
    assert_whole(parts, table)


@given(
    rows=st.lists(st.sets(st.sampled_from("abcd")), min_size=12, max_size=40),
    seed=st.integers(0, 3),
)
@settings(max_examples=50, deadline=None)
def test_several_labels_are_all_learned(rows: list[set[str]], seed: int) -> None:
    rows = [*rows, {"a"}, {"a", "b"}, {"a", "b"}]
    table = make_table([Clip(ROOT / str(k), tuple(sorted(r))) for k, r in enumerate(rows)], "set", ROOT)
    parts = split(table, seed=seed)
    assert parts.labels == table.labels, "each label keeps a training clip"
    assert_whole(parts, table)


def test_the_same_seed_the_same_split_whatever_the_order() -> None:
    table = table_of({"a": 20, "b": 11})
    turned = make_table(reversed(table.clips), "set", ROOT)
    for part in ("train", "valid", "test"):
        one = {clip.path for clip in getattr(split(table, seed=3), part)}
        assert one == {clip.path for clip in getattr(split(turned, seed=3), part)}
    assert {c.path for c in split(table, seed=3).test} != {c.path for c in split(table, seed=4).test}


def test_a_seed_changes_the_validation_part_and_not_the_fold() -> None:
    table = table_of({"a": 30, "b": 30}, n_folds=3)
    one, other = split(table, "2", seed=0), split(table, "2", seed=1)
    assert set(one.test) == set(other.test)
    assert set(one.valid) != set(other.valid)
    assert labels_of(one.valid) == {"a": 2, "b": 2}


def test_the_split_column_is_taken() -> None:
    parts_of = {"a": "train", "b": "valid", "c": "test"}
    clips = [Clip(ROOT / f"{name}{label}", (label,), split=part) for name, part in parts_of.items() for label in "xy"]
    parts = split(make_table(clips, "set", ROOT))
    assert [{c.split for c in part} for part in (parts.train, parts.valid, parts.test)] == [
        {"train"},
        {"valid"},
        {"test"},
    ]
    assert parts.notes == ()


def test_no_fold_named_takes_the_first_and_says_so() -> None:
    parts = split(table_of({"a": 8, "b": 8}, n_folds=4))
    assert {clip.fold for clip in parts.test} == {"1"}
    assert parts.notes == ("no fold named: fold 1 of 4 is the test part",)


def test_a_draw_says_so() -> None:
    assert "drawn for the test, seed 0" in split(table_of({"a": 8, "b": 8})).notes[0]


def test_a_fold_that_does_not_exist() -> None:
    with pytest.raises(UsageError, match="no fold '7': its folds are 1, 2"):
        split(table_of({"a": 8, "b": 8}, n_folds=2), "7")
    with pytest.raises(UsageError, match="it has none, leave the fold out"):
        split(table_of({"a": 8, "b": 8}), "7")


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_shares_that_cannot_be(share: float) -> None:
    with pytest.raises(UsageError, match="valid_share is"):
        split(table_of({"a": 8, "b": 8}), valid_share=share)


def test_a_class_of_one_clip_goes_to_training_with_a_note() -> None:
    parts = split(table_of({"a": 20, "b": 20, "rare": 1}))
    assert labels_of(parts.train)["rare"] == 1
    assert "rare" not in labels_of(parts.valid + parts.test)
    assert "rare" in parts.labels
    assert any("only one clip of 'rare'" in note for note in parts.notes)


def test_a_test_label_never_seen_in_training_is_left_out_and_listed() -> None:
    table = table_of({"a": 8, "b": 8}, n_folds=4)
    odd = Clip(ROOT / "odd.wav", ("odd",), "2")
    parts = split(make_table([*table.clips, odd], "set", ROOT), "2")
    assert parts.left_out == ((odd.path, "no training clip of its label 'odd'"),)
    assert odd not in parts.test
    assert parts.labels == ("a", "b")
    assert any("no training clip of 'odd': 1 clips left out" in note for note in parts.notes)


def clips_of(part: str, labels: str) -> list[Clip]:
    return [Clip(ROOT / f"{part}-{label}.wav", (label,), split=part) for label in labels]


def test_what_is_never_seen_leaves_validation_and_test_as_they_were() -> None:
    train, valid, test = clips_of("train", "ab"), clips_of("valid", "abo"), clips_of("test", "abo")
    parts = split(make_table([*train, *valid, *test], "set", ROOT))
    assert (parts.train, parts.valid, parts.test) == (tuple(train), tuple(valid[:2]), tuple(test[:2]))
    assert [path for path, _ in parts.left_out] == [valid[2].path, test[2].path]


def test_no_test_clip_of_a_known_label_stops() -> None:
    with pytest.raises(WorkError, match="no test clip left, for no training clip has 'o'"):
        split(make_table([*clips_of("train", "ab"), *clips_of("test", "o")], "set", ROOT), valid_share=0)


def test_with_several_labels_the_unseen_label_is_ignored() -> None:
    table = table_of({"a": 8, "b": 8}, n_folds=4)
    both = Clip(ROOT / "both.wav", ("a", "odd"), "2")
    parts = split(make_table([*table.clips, both], "set", ROOT), "2")
    assert both in parts.test
    assert parts.labels == ("a", "b")
    assert "no training clip of 'odd': ignored in the test" in parts.notes


def test_parts_that_are_missing_stop() -> None:
    clips = [Clip(ROOT / f"{k}", ("ab"[k % 2],), split="train") for k in range(8)]
    with pytest.raises(WorkError, match="no test clip; put some in another fold or give them split test"):
        split(make_table(clips, "set", ROOT))
    with pytest.raises(WorkError, match="no training clip"):
        split(table_of({"a": 8, "b": 8}, n_folds=1), "1")


def test_fewer_than_two_classes_stop() -> None:
    with pytest.raises(WorkError, match="only 'a' has training clips; wanted two classes or more"):
        split(table_of({"a": 20}))
    table = make_table([Clip(ROOT / f"{k}", ("a",) * (k % 2)) for k in range(20)], "set", ROOT)
    assert table.multi_label
    assert split(table).labels == ("a",), "present or not is two classes"


@pytest.mark.parametrize(
    ("name", "n_folds", "n_clips"), [("esc10", 5, 400), ("fsdd", 4, 2000), ("philharmonia", 5, 2399)]
)
def test_the_real_protocols(real_data: Path, name: str, n_folds: int, n_clips: int) -> None:
    table = find_clips(real_data / name)
    assert (len(table.folds), len(table.clips)) == (n_folds, n_clips)
    tested = [clip for fold in table.folds for clip in split(table, fold).test]
    assert sorted(clip.path for clip in tested) == sorted(clip.path for clip in table.clips)
    for fold in table.folds:
        parts = split(table, fold)
        assert parts.labels == table.labels
        assert not parts.notes
        assert not parts.left_out
        assert_whole(parts, table)
        assert len(parts.valid) == pytest.approx(0.1 * (len(parts.train) + len(parts.valid)), rel=0.15)
