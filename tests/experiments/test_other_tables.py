"""The ablations, the sweeps, and clips of very different length: cells, recipes and texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.records import record
from tenuto.errors import UsageError
from tenuto.experiments.experiment import Experiment
from tenuto.experiments.figure8 import FIGURE8
from tenuto.experiments.fsd50k import FSD50K_AT_15FPS
from tenuto.experiments.grid import Cell
from tenuto.experiments.layout import paper_rows
from tenuto.experiments.page import detail_rows, difference_rows, write_page
from tenuto.experiments.page_notes import notes
from tenuto.experiments.plan import Plan, cells_of
from tenuto.experiments.protocols import Scale, recipe_of
from tenuto.experiments.registry import EXPERIMENTS
from tenuto.experiments.results import gather
from tenuto.experiments.sweeps import SWEEP_DILATION, SWEEP_LAMBDA
from tenuto.experiments.variants import overrides_of
from tenuto.training.recipe import flatten


def cells(experiment: Experiment, data: str = "fsdd", **options: Any) -> dict[str, Cell]:
    plan = Plan(experiment, {data: Path("x")}, Path("out"), seeds=(0,), **options)
    found = cells_of(plan, {data: ("a",)})
    return {experiment.system_of(cell.column).name: cell for cell in found}  # type: ignore[union-attr]


def settings(cell: Cell, experiment: Experiment, *overrides: str) -> dict[str, Any]:
    return flatten(recipe_of(cell, Scale(overrides=overrides), 1.0, 30.0, experiment))


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("no-guide", "training.guide_weight", 0),
        ("no-encoding", "frontend.encoding", "none"),
        ("no-max", "frontend.max", False),
        ("no-algorithm1", "frontend.algorithm1", False),
    ],
)
def test_an_ablation_leaves_out_one_thing(name: str, key: str, value: object) -> None:
    found = cells(FIGURE8)
    whole, without = (settings(found[each], FIGURE8) for each in ("whole", name))
    assert {k: v for k, v in without.items() if whole[k] != v} == {key: value}


def test_ablations_are_marked_against_the_whole() -> None:
    found = cells(FIGURE8, "audioset")
    made = [record(found[name], score) for name, score in (("whole", 0.6), ("no-guide", 0.61), ("no-max", 0.5))]
    results = gather(FIGURE8, made)
    (row,) = paper_rows(results)
    assert list(row.values())[1:] == [
        "60.0 (41.7 ± 0.1)", "accuracy", "25", "61.0†", "not run", "50.0", "not run"
    ]  # fmt: skip
    assert {row["second"] for row in difference_rows(results)} == {"whole 25"}
    assert "as good as whole" in detail_rows(results)[0]
    assert "†: not below DiffRes, to a tenth of a percent" in "\n".join(notes(results, made))


@pytest.mark.parametrize(
    ("experiment", "key", "values"),
    [
        (SWEEP_LAMBDA, "frontend.guide_lambda", [0.0, 0.25, 0.5, 0.75, 1.0]),
        (SWEEP_DILATION, "frontend.dilation", [1, 2, 4, 8]),
    ],
)
def test_a_sweep_has_one_cell_a_value_and_the_papers_own_without_a_variant(
    experiment: Experiment, key: str, values: list[float]
) -> None:
    base, *swept = cells(experiment).values()
    assert base == Cell("fsdd", "logmel", 100, "fixed", "a", 0)
    assert [settings(cell, experiment)[key] for cell in swept] == values
    (usual,) = [cell for cell in swept if not cell.variant]
    assert usual.name.startswith("fsdd.fixed.diffres.")  # that of Table 1 or 2: not made twice in one folder
    assert settings(swept[-1], experiment, f"{key}={values[1]}")[key] == values[-1]  # it is the value swept


def test_a_sweep_takes_any_value_and_orders_them() -> None:
    found = cells(SWEEP_LAMBDA, methods=("lambda=0.5", "lambda=0.3"))
    assert found["lambda=0.3"].name == "fsdd.fixed.diffres.25fps.lambda_0.3.a.seed0"
    made = [record(cell, score) for cell, score in zip(found.values(), (0.5, 0.6), strict=True)]
    results = gather(SWEEP_LAMBDA, made)
    (row,) = paper_rows(results)
    heads = [head for head in row if head.startswith("λ")]
    assert heads == ["λ = 0", "λ = 0.25", "λ = 0.3", "λ = 0.5", "λ = 0.75", "λ = 1"]
    assert (row["λ = 0.3"], row["λ = 0.5"], row["λ = 1"]) == ("60.0", "50.0 (95.0 ± 0.3)", "not run")
    (difference,) = difference_rows(results)
    assert (difference["first"], difference["second"], difference["difference"]) == (
        "lambda=0.3 25", "lambda=0.5 25", "+10.0"
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"unknown method 'lambda=much'; .*lambda=NUMBER"):
        cells(SWEEP_LAMBDA, methods=("lambda=much",))


def test_one_number_of_frames_for_every_clip() -> None:
    found = cells(FSD50K_AT_15FPS, "fsd50k")
    assert {name: cell.length for name, cell in found.items()} == {"logmel": "fixed", "diffres": "own"}
    recipe = recipe_of(found["diffres"], Scale(), None, 30.0, FSD50K_AT_15FPS)
    assert (recipe.frontend.n_kept, recipe.frontend.fps, recipe.data.clip_seconds) == (450, 15, None)  # of 3000
    padded = recipe_of(cells(FSD50K_AT_15FPS, methods=("diffres-padded",))["diffres-padded"], Scale(), 30, 30)
    assert (padded.frontend.n_kept, padded.data.clip_seconds) == (None, 30)
    with pytest.raises(UsageError, match="length own: each method of fsd50k-15fps has its own"):
        cells(FSD50K_AT_15FPS, lengths=("own",))


def test_training_time_stands_beside_paddings(tmp_path: Path) -> None:
    found = cells(FSD50K_AT_15FPS, "fsd50k", methods=("logmel", "diffres", "diffres-share"))
    seconds = {"logmel": 200.0, "diffres": 50.0}
    made = [record(found[name], 0.5, metric="mAP", found={"training_seconds": t}) for name, t in seconds.items()]
    results = gather(FSD50K_AT_15FPS, made, found.values())
    assert paper_rows(results) == [
        {
            "Task": "FSD50K",
            "Log-mel, padded, 100 FPS": "50.0 (55.6 ± 0.3)",
            "Metric": "mAP",
            "FPS": "15",
            "DiffRes to a fixed number": "50.0† (55.6 ± 0.2†)",
            "DiffRes to a fixed number: training time": "25 % (28 %)",
            "DiffRes, own share": "not run",
            "DiffRes, own share: training time": "not run",
        }
    ]
    details = detail_rows(results)[1]
    assert (details["training seconds a cell"], details["training time / baseline"]) == (50.0, 0.25)
    page = write_page(results, made, {}, tmp_path)
    assert "wall-clock seconds over those of the baseline's training" in page["text"]
    assert (tmp_path / "fsd50k-15fps.tex").is_file()


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown variant 'no-gide'; nearest: no-guide"):
        overrides_of("no-gide", 25, 1)


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=list(EXPERIMENTS))
def test_every_cell_of_every_experiment_has_a_recipe(experiment: Experiment) -> None:
    names = tuple(dict.fromkeys([*(system.name for system in experiment.systems), *experiment.methods]))
    for data in ("fsdd", "esc50", "mine"):
        found = cells(experiment, data, methods=names)
        assert list(found) == list(names)
        assert experiment.covered([cell.column for cell in found.values()]) == {c.column for c in found.values()}
        assert all(settings(cell, experiment)["frontend.hop_length"] > 0 for cell in found.values())
