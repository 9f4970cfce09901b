"""Draws: by lot, repeatable, nested over n, the same for every model and compression, never of the test fold."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tenuto.data.clips import Clip, ClipTable, make_table
from tenuto.errors import UsageError
from tenuto.experiments.fewshot_draws import draw, n_smallest, parts_of, seed_of
from tenuto.experiments.fewshot_settings import FewshotCell, FewshotSettings, cells_of, check_choices, short_settings

ROOT = Path("data")


def table(n_a: int = 6, n_b: int = 8) -> ClipTable:
    """Two classes in two folds: `n_a` and `n_b` clips of them in each."""
    clips = [
        Clip(ROOT / fold / f"{label}{i}.wav", (label,), fold)
        for fold in ("1", "2")
        for label, n in (("a", n_a), ("b", n_b))
        for i in range(n)
    ]
    return make_table(clips, "set", ROOT)


def test_a_draw_has_n_of_each_class_and_nothing_of_the_test_fold() -> None:
    parts = parts_of(table(), "1")
    assert parts.valid == ()
    for n in (1, 2, 6):
        drawn = draw(parts, table(), n, "1", 0, 0)
        assert Counter(clip.labels[0] for clip in drawn) == {"a": n, "b": n}
        assert len(set(drawn)) == 2 * n
        assert {clip.fold for clip in drawn} == {"2"}
        assert not set(drawn) & set(parts.test)


def test_a_draw_is_repeatable_whatever_the_order_of_the_table() -> None:
    one = table()
    other = ClipTable(one.clips[::-1], one.labels, False, "set", ROOT)
    drawn = draw(parts_of(one, "2"), one, 3, "2", 4, 7)
    assert drawn == draw(parts_of(one, "2"), one, 3, "2", 4, 7)
    assert drawn == draw(parts_of(other, "2"), other, 3, "2", 4, 7)


def test_clips_of_a_smaller_n_are_the_first_of_a_larger_one() -> None:
    parts = parts_of(table(), "1")
    for repeat in range(5):
        small, large = (draw(parts, table(), n, "1", repeat, 0) for n in (2, 5))
        for label in "ab":
            wanted = [clip for clip in large if clip.labels == (label,)][:2]
            assert [clip for clip in small if clip.labels == (label,)] == wanted


def test_draws_differ_by_repeat_fold_and_seed_and_reach_every_clip_alike() -> None:
    whole = table()
    parts = parts_of(whole, "1")
    first = draw(parts, whole, 4, "1", 0, 0)
    assert first != draw(parts, whole, 4, "1", 1, 0)
    assert first != draw(parts, whole, 4, "1", 0, 1)
    counts = Counter(draw(parts, whole, 1, "1", repeat, 0)[0].path.name for repeat in range(600))
    assert set(counts) == {f"a{i}.wav" for i in range(6)}
    assert all(60 <= count <= 140 for count in counts.values())  # 100 each, four standard deviations


def test_a_class_with_too_few_clips_is_refused() -> None:
    assert n_smallest(parts_of(table(), fold) for fold in ("1", "2")) == 6
    with pytest.raises(UsageError, match="n=7: only 6 training clips of 'a'"):
        draw(parts_of(table(), "1"), table(), 7, "1", 0, 0)


def test_a_split_column_gives_pool_and_test() -> None:
    clips = [Clip(ROOT / f"{part}{i}.wav", ("ab"[i % 2],), split=part) for part in ("train", "test") for i in range(6)]
    whole = make_table(clips, "set", ROOT)
    parts = parts_of(whole, "all")
    assert {clip.split for clip in draw(parts, whole, 3, "all", 0, 0)} == {"train"}
    assert {clip.split for clip in parts.test} == {"test"}


def test_seeds_differ_by_everything_that_a_draw_stands_for() -> None:
    seeds = {seed_of(s, n, f, r) for s in (0, 1) for n in (1, 2) for f in ("a", "b") for r in (0, 1)}
    assert len(seeds) == 16
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_post_repeats_20_10_and_5_times() -> None:
    cells = cells_of("set", ["1", "2"], (1, 2, 5, 10, 20, 50, 100), None, ["vgg"], ["log", "log-learn"])
    assert Counter(cell.n for cell in cells) == {n: 2 * 2 * m for n, m in zip((1, 2), (20, 20), strict=True)} | {
        **dict.fromkeys((5, 10), 2 * 2 * 10),
        **dict.fromkeys((20, 50, 100), 2 * 2 * 5),
    }
    assert len({cell.name for cell in cells}) == len(cells)
    assert [cell.repeat for cell in cells] == sorted(cell.repeat for cell in cells)
    assert Counter(cell.n for cell in cells_of("set", ["1"], (1, 30), 3, ["vgg"], ["log"])) == {1: 3, 30: 3}


def test_a_cell_has_a_name_for_files() -> None:
    assert FewshotCell("my_set", "vgg", "log-learn", 5, "a/b c", 3).name == "my_set.vgg.log-learn.n5.a_b_c.r3"


def test_what_there_is_not_is_refused() -> None:
    good = (["vgg"], ["log"], [1], None)
    check_choices(*good)
    for at, wrong, message in (
        (0, ["vvg"], "unknown model 'vvg'; nearest: vgg"),
        (1, ["logs"], "unknown compression 'logs'; nearest: log"),
        (2, [0], "n is 0: wanted at least 1"),
        (2, [], "nothing to do"),
        (3, 0, "repeats is 0: wanted at least 1"),
    ):
        with pytest.raises(UsageError, match=message):
            check_choices(*[wrong if i == at else each for i, each in enumerate(good)])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="epochs is 0: wanted more than 0"):
        FewshotSettings(epochs=0)


def test_settings_are_the_published_ones_or_those_of_short_clips() -> None:
    assert FewshotSettings().patch_seconds == pytest.approx(2.97, abs=0.01)
    assert "200 epochs" in FewshotSettings().told()
    assert "as many epochs as it takes, at most 100" in FewshotSettings(converge=True, epochs=100).told()
    at_8k, at_44k = FewshotSettings(**short_settings(8000)), FewshotSettings(**short_settings(44100))
    assert (at_8k.sample_rate, at_8k.win_length, at_8k.hop_length, at_8k.n_mels) == (8000, 200, 80, 40)
    assert (at_44k.sample_rate, at_44k.n_fft, at_44k.hop_length, at_44k.n_mels) == (16000, 512, 160, 64)
