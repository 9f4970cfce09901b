"""Verdicts by their rule, and which stored results are compared with which."""

from __future__ import annotations

from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import pytest

from experiments.records import record
from tenuto.errors import UsageError
from tenuto.experiments.claims import CLAIMS, Claim, Pair, counted, judge
from tenuto.experiments.claims_evidence import Setup, column_of, read_stores, setups_of
from tenuto.experiments.claims_findings import Finding, finding_row, findings_of
from tenuto.experiments.grid import Cell, Column
from tenuto.experiments.statistics import Difference
from tenuto.experiments.store import Store

LOGMEL = Cell("fsdd", "logmel", 100.0, "fixed", "a", 0)
DIFFRES = replace(LOGMEL, method="diffres", fps=25.0)


def _difference(low: float, high: float, n_pairs: int = 6) -> Difference:
    return Difference((low + high) / 2, low, high, n_pairs, n_pairs)


@pytest.mark.parametrize(
    ("low", "high", "better", "not_worse"),
    [
        (0.001, 0.02, "holds", "holds"),
        (-0.01, 0.02, "undecided", "holds"),
        (-0.011, 0.02, "undecided", "undecided"),
        (-0.009, -0.001, "fails", "holds"),
        (-0.03, -0.001, "fails", "fails"),
        (-0.03, 0.0, "undecided", "undecided"),
        (0.0, 0.0, "undecided", "holds"),
    ],
)
def test_the_rule(low: float, high: float, better: str, not_worse: str) -> None:
    found = _difference(low, high)
    assert (judge(found, "better"), judge(found, "not worse")) == (better, not_worse)


def test_no_pair_is_not_run_and_two_decide_nothing() -> None:
    assert judge(None, "better") == "not run"
    assert judge(Difference(0.5, None, None, 1, 1), "better") == "undecided"
    assert judge(_difference(0.4, 0.6, n_pairs=2), "better") == "undecided"
    assert judge(_difference(0.4, 0.6, n_pairs=3), "better") == "holds"


def test_verdicts_are_counted_and_few_pairs_starred() -> None:
    assert counted([("undecided", 3), ("holds", 3), ("holds", 12), ("not run", 0)]) == "2 holds, 1 undecided*"
    assert counted([("not run", 0)]) == counted([]) == "not run"


def test_names_of_claims_differ_and_every_pair_compares_two_things() -> None:
    assert len({claim.name for claim in CLAIMS}) == len({claim.title for claim in CLAIMS}) == len(CLAIMS)
    pairs = [pair for claim in CLAIMS for pair in claim.pairs]
    assert all(pair.first != pair.second for pair in pairs)


def test_pairs_take_the_lengths_that_were_run_unless_they_name_them() -> None:
    hop = _claim("changehop")
    assert {pair.first.length for pair in hop.pairs_in(["own"])} == {"own"}
    assert len(hop.pairs_in(["fixed", "own"])) == 2 * len(hop.pairs)
    assert {(p.first.length, p.second.length) for p in _claim("unpadded-time").pairs_in([])} == {("own", "fixed")}


def _claim(name: str) -> Claim:
    return next(claim for claim in CLAIMS if claim.name == name)


def _fill(folder: Path, scores: dict[Cell, float], **changes: Any) -> None:
    """Stores a result a cell; `recipe` among the changes is added to its settings."""
    store = Store(folder)
    for cell, score in scores.items():
        made = record(cell, score)
        made["recipe"] |= changes.get("recipe", {})
        store.write(cell.name, made | {key: value for key, value in changes.items() if key != "recipe"})


def _many(cell: Cell, scores: list[float]) -> dict[Cell, float]:
    """Scores of folds a, b, ... at seed 0."""
    return {replace(cell, fold=fold): score for fold, score in zip("abcdefgh", scores, strict=False)}


def _verdicts(root: Path, name: str) -> dict[tuple[float, str], str]:
    """(FPS, rival) -> the verdict on one claim, of what was run."""
    findings = [each for setup in setups_of(read_stores(root)) for each in findings_of(setup)]
    there = [each for each in findings if each.claim.name == name and each.found is not None]
    return {(each.pair.first.fps, each.pair.second.method): each.word for each in there}


def test_verdicts_of_a_store_are_those_of_its_hand_made_numbers(tmp_path: Path) -> None:
    steady = [0.5, 0.6, 0.7, 0.55, 0.65, 0.75]
    rates = {25.0: 0.1, 50.0: -0.1, 75.0: 0.0}
    _fill(tmp_path / "one", _many(LOGMEL, steady) | _many(replace(LOGMEL, method="avgpool", fps=50.0), steady))
    for fps, gain in rates.items():
        _fill(tmp_path / "one", _many(replace(DIFFRES, fps=fps), [score + gain for score in steady]))
    assert _verdicts(tmp_path, "75-as-100") == {(75.0, "logmel"): "holds"}
    assert _verdicts(tmp_path, "50-and-25-as-100") == {(25.0, "logmel"): "holds", (50.0, "logmel"): "fails"}
    assert _verdicts(tmp_path, "avgpool") == {(50.0, "avgpool"): "fails"}
    assert _verdicts(tmp_path, "changehop") == {}


def test_a_mixed_difference_is_undecided(tmp_path: Path) -> None:
    _fill(tmp_path / "one", _many(LOGMEL, [0.5] * 6) | _many(DIFFRES, [0.9, 0.1, 0.9, 0.1, 0.6, 0.4]))
    assert _verdicts(tmp_path, "50-and-25-as-100") == {(25.0, "logmel"): "undecided"}


def test_pairs_are_those_of_both_sides(tmp_path: Path) -> None:
    """One fold of the log-mel has no partner, and must not move the difference."""
    _fill(tmp_path / "one", _many(LOGMEL, [0.2, 0.3, 0.4, 0.99]) | _many(DIFFRES, [0.3, 0.4, 0.5]))
    (setup,) = setups_of(read_stores(tmp_path))
    found = setup.difference(Pair(DIFFRES.column, LOGMEL.column), "score")
    assert found is not None
    assert (found.n_pairs, round(found.mean, 6)) == (3, 0.1)


def test_folders_with_the_same_settings_are_compared_and_others_are_not(tmp_path: Path) -> None:
    _fill(tmp_path / "a", _many(LOGMEL, [0.5, 0.5, 0.5]))
    _fill(tmp_path / "b", _many(DIFFRES, [0.6, 0.6, 0.6]))
    assert len(setups_of(read_stores(tmp_path))) == 1
    _fill(tmp_path / "b", _many(DIFFRES, [0.6, 0.6, 0.6]), recipe={"training.epochs": 80})
    few, many = setups_of(read_stores(tmp_path))
    assert (few.title, many.title) == ("FSDD (epochs 5)", "FSDD (epochs 80)")
    assert _verdicts(tmp_path, "50-and-25-as-100") == {}


def test_folders_that_test_on_other_clips_are_not_compared(tmp_path: Path) -> None:
    _fill(tmp_path / "a", _many(LOGMEL, [0.5, 0.5, 0.5]), found={"test_clips": 100})
    _fill(tmp_path / "b", _many(DIFFRES, [0.6, 0.6, 0.6]), found={"test_clips": 101})
    assert [setup.title for setup in setups_of(read_stores(tmp_path))] == ["FSDD (set-up 1)", "FSDD (set-up 2)"]


def test_settings_that_older_results_do_not_know_are_not_compared(tmp_path: Path) -> None:
    _fill(tmp_path / "a", _many(LOGMEL, [0.5]))
    _fill(tmp_path / "b", _many(DIFFRES, [0.6]), recipe={"data.of_a_later_version": 3})
    assert len(setups_of(read_stores(tmp_path))) == 1


def test_a_part_left_out_by_a_setting_is_an_ablation(tmp_path: Path) -> None:
    """Folders made with an override, not with Figure 8's variants, bear on its claims as well."""
    _fill(tmp_path / "whole", _many(DIFFRES, [0.7, 0.8, 0.9, 0.7, 0.8, 0.9]))
    _fill(tmp_path / "without", _many(DIFFRES, [0.6, 0.7, 0.8, 0.6, 0.7, 0.8]), recipe={"frontend.encoding": "none"})
    assert _verdicts(tmp_path, "encoding") == {(25.0, "diffres"): "holds"}
    assert _verdicts(tmp_path, "max") == {}
    learned = record(DIFFRES, 0.5)
    learned["recipe"] |= {"frontend.encoding": "none", "frontend.max": False}
    assert column_of(learned).variant == "no-encoding+no-max"
    assert column_of(record(replace(DIFFRES, variant="no-guide"), 0.5)).variant == "no-guide"


def test_a_wider_view_at_a_smaller_hop_is_compared_with_the_usual_one(tmp_path: Path) -> None:
    _fill(tmp_path / "usual", _many(DIFFRES, [0.7, 0.8, 0.9]))
    finer = replace(DIFFRES, hop_ms=6.0)
    _fill(tmp_path / "finer", _many(finer, [0.5, 0.6, 0.7]), recipe={"frontend.dilation": 1})
    _fill(tmp_path / "wider", _many(finer, [0.75, 0.85, 0.95]), recipe={"frontend.dilation": 2})
    (setup,) = setups_of(read_stores(tmp_path))
    assert {column.variant for column in setup.results} == {"", "dilation=2"}
    claim = next(claim for claim in CLAIMS if claim.name == "smaller-hop")
    found = {pair.first.variant: setup.difference(pair, "score") for pair in claim.pairs if setup.has(pair)}
    assert {variant: round(each.mean, 3) for variant, each in found.items() if each} == {"": -0.2, "dilation=2": 0.05}


def test_another_encoding_is_another_setup(tmp_path: Path) -> None:
    _fill(tmp_path / "a", _many(LOGMEL, [0.5, 0.5, 0.5]))
    _fill(tmp_path / "b", _many(DIFFRES, [0.7, 0.8, 0.9]), recipe={"frontend.encoding": "learnable"})
    assert len(setups_of(read_stores(tmp_path))) == 2


def test_training_time_is_a_ratio(tmp_path: Path) -> None:
    own = replace(DIFFRES, length="own")
    _fill(tmp_path / "one", _many(LOGMEL, [0.5] * 4), found={"training_seconds": 40.0}, kept_frames=100)
    _fill(tmp_path / "one", _many(own, [0.5] * 4), found={"training_seconds": 10.0}, kept_frames=25)
    (setup,) = setups_of(read_stores(tmp_path))
    claim, pair = _claim("unpadded-time"), Pair(own.column, LOGMEL.column)
    found = setup.difference(pair, claim.quantity)
    assert found is not None
    assert found.mean == pytest.approx(log(4))
    row = finding_row(Finding(claim, setup, pair, found, judge(found, claim.kind)))
    assert row["time, first / second"] == "0.25"
    assert row["95 % interval"] == "0.25 to 0.25"
    assert (row["first s"], row["second s"], row["frames, first / second"]) == ("10", "40", "0.25")
    assert row["verdict"] == "holds, few pairs"


def test_activeness_is_the_last_of_the_kept_curves(tmp_path: Path) -> None:
    """At 25 of 100 frames the mean importance is a quarter and the reduction three quarters: a factor of a third."""
    _fill(tmp_path / "one", _many(DIFFRES, [0.5, 0.5]))
    curves = tmp_path / "one" / "curves"
    curves.mkdir()
    (curves / f"{DIFFRES.name}.csv").write_text("epoch,activeness\n1,0.1\n2,0.3\n")
    (setup,) = setups_of(read_stores(tmp_path))
    assert setup.values(DIFFRES.column, "activeness by mean") == {("a", 0): 0.3}
    assert setup.values(DIFFRES.column, "activeness by reduction") == {("a", 0): pytest.approx(0.1)}


def test_every_setup_says_which_lengths_were_run() -> None:
    setup = Setup("fsdd", {}, {Column("logmel", 100.0, length): {} for length in ("own", "fixed")})
    assert setup.lengths == ["fixed", "own"]
    assert setup.title == "FSDD"


def test_folders_without_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        read_stores(tmp_path / "nowhere")
    (tmp_path / "empty" / "cells").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds no results yet"):
        read_stores(tmp_path)
