"""Several folds and seeds in one call: means and deviations by hand, failures listed, nothing done twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tenuto.data.clips import ClipTable
from tenuto.data.sets import find_clips
from tenuto.errors import UsageError, WorkError
from tenuto.training import folds as folds_module
from tenuto.training.folds import FIGURES, choose_folds, fit_many, run_name, shown, summarize
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
    assert run_name("a-b.c", 3) == "fold-a-b.c-seed-3"
    assert run_name(None, 3) == "seed-3"


def test_names_that_a_folder_cannot_have_stay_apart() -> None:
    assert run_name("a_b", 3) == "fold-a_b-seed-3"
    names = {run_name(fold, 3) for fold in ("a_b", "a/b", "a b", "a,b")}
    assert len(names) == 4
    assert all(name.startswith("fold-a_b-") and "/" not in name for name in names)


def test_a_fold_with_a_comma_in_its_name(table: ClipTable) -> None:
    renamed = {"0": "0,1", "1": "1"}
    clips = tuple(replace(clip, fold=renamed[clip.fold or ""]) for clip in table.clips)
    assert choose_folds(replace(table, clips=clips), "0,1") == ["0,1"]
    assert choose_folds(table, "0,1") == ["0", "1"]


def test_a_repeated_fold_or_seed_is_one_run(table: ClipTable, tmp_path: Path) -> None:
    assert choose_folds(table, "1,0, 1") == ["1", "0"]
    found = fit_many(small_recipe("training.epochs=1"), table, tmp_path / "runs", ["1", "1"], [0, 0])
    assert [run["run"] for run in found["runs"]] == ["fold-1-seed-0"]
    assert found["summary"]["accuracy"]["std"] is None


@pytest.mark.parametrize("seeds", [[-1, 0], [0, 2**63]])
def test_a_seed_out_of_range_is_refused_first(table: ClipTable, tmp_path: Path, seeds: list[int]) -> None:
    with pytest.raises(UsageError, match=r"^seed=-?\d+, wanted: from 0 to"):
        fit_many(small_recipe(), table, tmp_path / "runs", [None], seeds)
    assert not (tmp_path / "runs").exists()


def test_a_folder_of_something_else_is_refused(table: ClipTable, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("Dear Sir")
    (tmp_path / "single").mkdir()
    (tmp_path / "single" / "recipe.yaml").write_text("")
    for root in (table.root, tmp_path / "file", tmp_path / "single"):
        with pytest.raises(UsageError, match=r"is there and is no run folder of several trainings: choose a new or"):
            fit_many(small_recipe(), table, root, [None], [0])
    assert sorted(path.name for path in table.root.iterdir()) == ["clips.csv", "high", "low", "middle"]


def test_what_a_killed_call_leaves_is_gone_on_with(table: ClipTable, tmp_path: Path) -> None:
    recipe = small_recipe("training.epochs=1")
    first = fit_many(recipe, table, tmp_path, ["0"], [0])
    (tmp_path / ".runs.csv.7.part").write_text("half")
    (tmp_path / run_name("a/b", 1)).mkdir()
    (tmp_path / "seed-2").mkdir()
    assert fit_many(recipe, table, tmp_path, ["0"], [0]) == first


def test_what_a_run_leaves_out_is_told_once(tmp_path: Path) -> None:
    table = find_clips(make_sounds(tmp_path / "sounds", folds=2))
    only = tmp_path / "sounds" / "low" / "0.wav"
    rare = tuple(replace(clip, labels=("rare",)) if clip.path == only else clip for clip in table.clips)
    broken = tmp_path / "sounds" / "high" / "0.wav"
    broken.write_bytes(b"no sound")
    lines: list[str] = []
    table = replace(table, clips=rare, labels=(*table.labels, "rare"))
    for _ in range(2):  # the second time the runs are finished
        lines.clear()
        found = fit_many(small_recipe("training.epochs=1"), table, tmp_path / "runs", ["0"], [0, 1], say=lines.append)
        assert [each["path"] for each in found["left_out"]] == [str(broken), str(only)]
        assert lines.count(f"left out: {only}: no training clip of its label 'rare'") == 1
    assert json.loads((tmp_path / "runs" / "summary.json").read_text())["left_out"] == found["left_out"]


def test_frames_are_counted_of_those_that_came() -> None:
    figures = {"accuracy": 0.5, "mAP": None, "AUC": None, "d_prime": None, "test_clips": 3}
    padded = figures | {"kept_frames": 75, "input_frames": 300, "valid_frames": 69}
    assert shown(padded).endswith("75 of 300 frames kept (69 hold sound)")
    assert shown(padded | {"valid_frames": 300}).endswith("75 of 300 frames kept")
