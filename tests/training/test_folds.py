"""Several folds and seeds in one call: means and deviations by hand, failures listed, nothing done twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tenuto.data.clips import ClipTable
from tenuto.data.sets import find_clips
from tenuto.errors import UsageError, WorkError
from tenuto.training import folds as folds_module
from tenuto.training.folds import FIGURES, choose_folds, fit_many, run_name, summarize
from training.sounds import make_sounds, small_recipe


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> ClipTable:
    return find_clips(make_sounds(tmp_path_factory.mktemp("data") / "sounds", folds=2))


def made_up(seed: int, accuracy: float | None) -> dict[str, Any]:
    return {**dict.fromkeys(FIGURES, 1.0), "seed": seed, "accuracy": accuracy}


def test_mean_and_deviations() -> None:
    runs = [made_up(0, 0.5), made_up(0, 0.7), made_up(1, 0.6), made_up(1, 0.8)]
    found = summarize(runs)["accuracy"]
    assert found["mean"] == pytest.approx(0.65)
    # sample standard deviations: sqrt((0.15^2 + 0.05^2 + 0.05^2 + 0.15^2) / 3), and of the seeds' means 0.6 and 0.7
    assert found["std"] == pytest.approx((0.05 / 3) ** 0.5)
    assert found["std_of_seeds"] == pytest.approx(0.005**0.5)
    assert found["runs"] == 4


def test_one_value_has_no_deviation_and_none_no_mean() -> None:
    assert summarize([made_up(0, 0.5)])["accuracy"] == {"mean": 0.5, "std": None, "std_of_seeds": None, "runs": 1}
    assert summarize([made_up(0, None)])["accuracy"]["mean"] is None


def test_every_fold_with_every_seed(table: ClipTable, tmp_path: Path) -> None:
    lines: list[str] = []
    recipe = small_recipe("training.epochs=1")
    found = fit_many(recipe, table, tmp_path, ["0", "1"], [0, 1], say=lines.append)
    assert [(run["fold"], run["seed"]) for run in found["runs"]] == [("0", 0), ("1", 0), ("0", 1), ("1", 1)]
    assert sum(line.startswith("run ") for line in lines) == 4
    for run in found["runs"]:
        told = json.loads((tmp_path / run["run"] / "metrics.json").read_text())
        assert run["accuracy"] == told["accuracy"]
    assert json.loads((tmp_path / "summary.json").read_text()) == found
    again = fit_many(recipe, table, tmp_path, ["0", "1"], [0, 1])
    assert again == found


def test_a_failed_run_is_listed_and_does_not_stop_the_others(
    table: ClipTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = folds_module.fit

    def fails_on_fold_0(*args: Any, **more: Any) -> dict[str, Any]:
        if args[3] == "0":
            raise WorkError("the disk is full")
        return fit(*args, **more)

    monkeypatch.setattr(folds_module, "fit", fails_on_fold_0)
    recipe = small_recipe("training.epochs=1")
    found = fit_many(recipe, table, tmp_path, ["0", "1"], [0])
    assert [run["fold"] for run in found["runs"]] == ["1"]
    assert [(each["fold"], each["reason"]) for each in found["failed"]] == [("0", "the disk is full")]
    with pytest.raises(WorkError, match=r"all 1 trainings failed, the first \(fold-0-seed-0\) with: the disk is full"):
        fit_many(recipe, table, tmp_path / "none", ["0"], [0])


def test_folds_by_name(table: ClipTable) -> None:
    assert choose_folds(table, "all") == ["0", "1"]
    assert choose_folds(table, "1") == ["1"]
    with pytest.raises(UsageError, match="no fold 7; its folds are 0, 1"):
        choose_folds(table, "1,7")


def test_names_of_runs_are_names_of_folders() -> None:
    assert run_name("a/b", 3) == "fold-a_b-seed-3"
    assert run_name(None, 3) == "seed-3"
