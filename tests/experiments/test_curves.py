"""Figures 6, 7 and 8: curves of a grid's trainings, averaged and under both normalisers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.records import record
from tenuto.errors import UsageError
from tenuto.experiments.curve_files import keep_curves, read_curves
from tenuto.experiments.curves import Quantity, trajectory
from tenuto.experiments.curves_page import quantities, write_curves
from tenuto.experiments.experiment import Experiment
from tenuto.experiments.figure8 import FIGURE8
from tenuto.experiments.figures67 import FIGURE6, FIGURE7
from tenuto.experiments.grid import Cell, cell_of
from tenuto.experiments.plan import Plan
from tenuto.experiments.protocols import Scale
from tenuto.experiments.reproduce import reproduce
from tenuto.experiments.results import gather
from tenuto.experiments.store import Store

HEADS = "epoch,guide_loss,activeness,guide_loss_by_reduction,activeness_by_reduction,valid_accuracy,steps\n"
LOSS, ACTIVE, METRIC = Quantity("guide_loss", "mean"), Quantity("activeness", "reduction"), Quantity("metric")


def store_of(out: Path, rows: dict[tuple[float, int], list[str]], heads: str = HEADS) -> list[dict[str, Any]]:
    """A store of DiffRes at FSDD: (FPS, seed) -> lines of its curves.csv."""
    made = []
    for (fps, seed), lines in rows.items():
        cell = Cell("fsdd", "diffres", fps, "fixed", "a", seed)
        made.append(record(cell, 0.5))
        Store(out).write(cell.name, made[-1])
        run = out / "runs" / cell.name
        run.mkdir(parents=True)
        (run / "curves.csv").write_text(heads + "".join(f"{line}\n" for line in lines))
        keep_curves(out, cell.name)
    return made


TWO = {
    (25.0, 0): ["1,0.4,0.1,0.0,0.2,0.25,10", "2,0.2,0.3,0.0,0.6,0.5,20"],
    (25.0, 1): ["1,0.6,0.3,0.0,0.4,0.75,12"],  # stopped early
    (50.0, 0): ["1,0.5,0.2,0.1,0.1,,10", "2,0.5,0.2,0.1,0.1,,20"],  # nothing to validate with
}


def test_means_and_deviations_over_trainings_epoch_by_epoch(tmp_path: Path) -> None:
    made = [each for each in store_of(tmp_path, TWO) if each["cell"]["fps"] == 25]
    line = trajectory(tmp_path, made, LOSS, "steps")
    assert line is not None
    np.testing.assert_allclose(line.x, [11, 20])
    np.testing.assert_allclose(line.mean, [0.5, 0.2])
    np.testing.assert_allclose(line.deviation, [np.std([0.4, 0.6], ddof=1), 0])
    line = trajectory(tmp_path, made, ACTIVE, "epoch")
    assert line is not None
    np.testing.assert_allclose(line.mean, [0.3, 0.6])  # of the other normaliser's own column
    np.testing.assert_allclose(trajectory(tmp_path, made[:1], METRIC, "steps").mean, [25, 50])  # type: ignore[union-attr]


def test_curves_outlive_their_run_folder(tmp_path: Path) -> None:
    (made, *_) = store_of(tmp_path, TWO)
    name = cell_of(made).name
    (tmp_path / "runs" / name / "curves.csv").unlink()
    curve = read_curves(tmp_path, name)
    assert curve is not None
    np.testing.assert_array_equal(curve["steps"], [10, 20])
    assert read_curves(tmp_path, "another") is None


def test_activeness_of_a_training_that_logged_one_normaliser_is_converted(tmp_path: Path) -> None:
    (made,) = store_of(tmp_path, {(25.0, 0): ["1,0.4,0.3"]}, "epoch,guide_loss,activeness\n")
    found = trajectory(tmp_path, [made], ACTIVE, "epoch")
    assert found is not None
    assert found.mean.tolist() == [pytest.approx(0.3 * 0.25 / 0.75)]
    assert trajectory(tmp_path, [made], Quantity("guide_loss", "reduction"), "epoch") is None  # is no multiple
    made["recipe"]["frontend.normalizer"] = "reduction"
    assert trajectory(tmp_path, [made], Quantity("activeness", "mean"), "epoch").mean.tolist() == [  # type: ignore[union-attr]
        pytest.approx(0.3 * 0.75 / 0.25)
    ]


@pytest.mark.parametrize(
    ("experiment", "names"),
    [
        (FIGURE6, ["activeness mean", "activeness reduction"]),
        (FIGURE7, ["guide_loss mean", "guide_loss reduction"]),
        (
            FIGURE8,
            ["guide_loss mean", "activeness mean", "metric None", "guide_loss reduction", "activeness reduction"],
        ),
    ],
)
def test_what_is_drawn(experiment: Experiment, names: list[str]) -> None:
    assert [f"{quantity.name} {quantity.normalizer}" for quantity in quantities(experiment)] == names


def test_the_page_of_figure_6(tmp_path: Path) -> None:
    store_of(tmp_path, TWO)
    page = reproduce(Plan(FIGURE6, {}, tmp_path))
    assert [row["FPS"] for row in page["rows"]] == [25, 50]
    assert page["rows"][0]["activeness, over the mean importance"] == "0.3000 ± 0.0000"
    assert page["rows"][1]["activeness, over the reduction, as printed"] == "0.1000 ± 0.0000"
    assert "bands their standard deviation" in page["text"]
    names = {Path(name).name for name in page["files"]}
    assert {"figure6_fsdd_fixed.png", "figure6_fsdd_fixed.svg", "figure6_curves.csv", "figure6.md"} <= names
    assert all(Path(name).stat().st_size > 0 for name in page["files"])
    assert not (tmp_path / "table1.txt").exists()
    svg = (tmp_path / "figure6_fsdd_fixed.svg").read_text()
    assert svg.startswith("<?xml")


def test_without_curves_there_is_no_picture(tmp_path: Path) -> None:
    cell = Cell("fsdd", "diffres", 25, "fixed", "a", 0)
    made = [record(cell, 0.5)]
    with pytest.raises(UsageError, match="holds no curves of its trainings: name data with --data"):
        write_curves(gather(FIGURE7, made), made, tmp_path)
    found = write_curves(gather(FIGURE8, made), made, tmp_path)  # its table needs none
    assert [Path(name).name for name in found["files"]] == ["figure8_curves.csv"]
    assert found["rows"][0]["validation %"] == "not logged"


def test_a_small_ablation_on_real_recordings(real_data: Path, tmp_path: Path) -> None:
    scale = Scale(epochs=2, limit=2, overrides=("data.valid_share=0.3",))
    data, methods = {"fsdd": real_data / "fsdd"}, ("whole", "no-guide")
    plan = Plan(FIGURE8, data, tmp_path, methods, seeds=(0,), folds=("lucas",), scale=scale, threads=1)
    page = reproduce(plan, lambda line: None)
    assert page["failed"] == {}
    assert (tmp_path / "figure8_fsdd_fixed.png").is_file()
    whole, without = (read_curves(tmp_path, cell_of(each).name) for each in map(Store(tmp_path).read, NAMES))
    assert whole is not None
    assert without is not None
    assert whole["steps"].tolist() == [2, 4]
    assert without["guide_loss"][-1] > whole["guide_loss"][-1] > 0  # nothing held it down
    np.testing.assert_allclose(whole["activeness_by_reduction"], whole["activeness"] / 3, rtol=0.02)  # 25 FPS


NAMES = ("fsdd.fixed.diffres.25fps.lucas.seed0", "fsdd.fixed.diffres.25fps.no-guide.lucas.seed0")
