"""Table 1 as a whole: which cells, which recipes, and a small grid on real recordings."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.records import record
from tenuto.errors import UsageError
from tenuto.experiments.experiment import FULL_FPS
from tenuto.experiments.grid import Cell
from tenuto.experiments.paper import TABLE1 as PRINTED
from tenuto.experiments.plan import Plan, cells_of
from tenuto.experiments.protocols import (
    PROTOCOLS,
    Scale,
    choose_folds,
    limited,
    load_table,
    protocol,
    recipe_of,
)
from tenuto.experiments.reproduce import reproduce
from tenuto.experiments.store import Store
from tenuto.experiments.table1 import TABLE1


def test_one_seed_of_every_cell_first() -> None:
    plan = Plan(TABLE1, {"fsdd": Path("x")}, Path("out"), ("logmel", "diffres"), (25.0, 50.0), (0, 1))
    cells = cells_of(plan, {"fsdd": ("a", "b")})
    assert [(c.method, c.fps, c.fold, c.seed) for c in cells[:6]] == [
        ("logmel", 100, "a", 0), ("logmel", 100, "b", 0),
        ("diffres", 25, "a", 0), ("diffres", 25, "b", 0),
        ("diffres", 50, "a", 0), ("diffres", 50, "b", 0),
    ]  # fmt: skip
    assert [c.seed for c in cells] == [0] * 6 + [1] * 6


def test_all_seeds_of_a_cell_first() -> None:
    plan = Plan(TABLE1, {"s": Path("x")}, Path("out"), ("logmel", "diffres"), (25.0,), (0, 1), order="cell-major")
    cells = cells_of(plan, {"s": ("a", "b")})
    assert [(c.method, c.fold, c.seed) for c in cells] == [
        (method, fold, seed) for method in ("logmel", "diffres") for seed in (0, 1) for fold in ("a", "b")
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ("difres",)}, "unknown method 'difres'; nearest: diffres"),
        ({"lengths": ("any",)}, "unknown length 'any'"),
        ({"order": "random"}, "unknown order 'random'"),
        ({"fps": (100.0,)}, "fps 100: wanted above 0 and below 100"),
        ({"seeds": ()}, "nothing to do"),
        ({"methods": ("diffres",), "fps": ()}, "nothing to do"),
    ],
)
def test_refuses_plans_that_make_no_sense(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Plan(TABLE1, {}, Path("out"), **options)  # type: ignore[arg-type]


def test_the_recipe_of_a_cell() -> None:
    scale = Scale(epochs=10, overrides=("training.learning_rate=0.01",))
    recipe = recipe_of(Cell("fsdd", "changehop", 50, "fixed", "a", 0), scale, 1.28)
    assert (recipe.frontend.resolution, recipe.frontend.fps) == ("changehop", 50)
    assert recipe.data.clip_seconds == 1.28
    assert (recipe.training.epochs, recipe.training.learning_rate) == (10, 0.01)
    whole = recipe_of(Cell("fsdd", "changehop", 50, "fixed", "a", 0), Scale(), 1.28).training
    assert recipe.training.schedule_start == round(whole.schedule_start * 10 / whole.epochs)  # scaled alike
    base = recipe_of(Cell("fsdd", "logmel", 100, "own", "a", 0), Scale(backbone="resnet18"), None)
    assert (base.frontend.resolution, base.frontend.fps, base.data.clip_seconds) == ("none", None, None)
    assert (base.model.backbone, base.model.head) == ("resnet18", "attention")


@pytest.mark.parametrize(("name", "head"), [("vgg", "mean"), ("timbre", "none"), ("resnet18", "attention")])
def test_a_backbone_brings_its_head(name: str, head: str) -> None:
    model = recipe_of(Cell("fsdd", "diffres", 25, "fixed", "a", 0), Scale(backbone=name), 1.0).model
    assert (model.backbone, model.head, model.pretrained) == (name, head, False)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_has_recipes_on_a_small_backbone(name: str) -> None:
    cell = Cell(name, "diffres", 75, "fixed", "a", 0)
    recipe = recipe_of(cell, Scale(backbone="sbcnn"), protocol(name).fixed_seconds)
    assert (recipe.model.backbone, recipe.model.pretrained) == ("sbcnn", False)
    assert recipe.data.clip_seconds == protocol(name).fixed_seconds
    assert recipe.frontend.full_fps == FULL_FPS
    assert protocol(name).paper_set in PRINTED


def test_the_command_that_made_it_shows_no_folder_of_this_machine(tmp_path: Path) -> None:
    plan = Plan(
        TABLE1, {"fsdd": tmp_path / "fsdd"}, Path("results/x"), scale=Scale(epochs=3, overrides=("data.batch_size=8",))
    )
    assert plan.command == (
        "tenuto reproduce table1 --data fsdd=.../fsdd --methods logmel,changehop,avgpool,convavgpool,diffres "
        "--fps 25,50,75 --seeds 0,1,2 --length fixed --order seed-major --epochs 3 --out results/x data.batch_size=8"
    )


def test_without_data_the_table_of_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no results yet: name data with --data"):
        reproduce(Plan(TABLE1, {}, tmp_path))
    cell = Cell("fsdd", "diffres", 25, "fixed", "a", 0)
    Store(tmp_path).write(cell.name, record(cell, 0.75))
    assert [row["mean %"] for row in reproduce(Plan(TABLE1, {}, tmp_path))["rows"]] == [75.0]


def test_a_small_grid_on_real_recordings(real_data: Path, tmp_path: Path) -> None:
    data = {"fsdd": real_data / "fsdd"}
    scale = Scale(epochs=1, limit=2, overrides=("data.valid_share=0.3",))
    plan = Plan(TABLE1, data, tmp_path, ("logmel", "diffres"), (25.0,), (0,), ("lucas",), ("fixed", "own"), scale=scale)
    lines: list[str] = []
    page = reproduce(plan, lines.append)
    assert page["failed"] == {}
    rows = {(row["length"], row["method"]): row for row in page["rows"]}
    assert rows["fixed", "diffres"]["frames kept / sound"] == pytest.approx(
        rows["fixed", "logmel"]["frames kept / sound"] / 4, rel=0.01
    )
    assert rows["own", "logmel"]["frames kept / sound"] == 1
    assert rows["own", "diffres"]["frames kept / sound"] == pytest.approx(0.25, abs=0.01)
    assert "at most 2 clips of each class and fold" in page["text"]
    assert str(tmp_path) not in "".join(path.read_text() for path in (tmp_path / "cells").iterdir())
    assert not list(tmp_path.glob("runs/*/checkpoints"))
    assert len(list(tmp_path.glob("runs/*/model.safetensors"))) == 4
    lines.clear()
    assert reproduce(plan, lines.append)["text"] == page["text"]
    assert lines == []
    other = Plan(TABLE1, data, tmp_path, ("logmel",), (25.0,), (0,), ("lucas",), scale=Scale(epochs=2, limit=2))
    with pytest.raises(UsageError, match=r"now .* is asked for: give another folder with --out"):
        reproduce(other)


def test_a_fold_that_does_not_exist(real_data: Path) -> None:
    table = limited(load_table("fsdd", real_data / "fsdd"), 1)
    assert len(table.clips) == 40  # 10 digits, 4 speakers
    assert choose_folds(table, None) == ("george", "jackson", "lucas", "nicolas")
    with pytest.raises(UsageError, match="unknown fold 'luca'; nearest: lucas"):
        choose_folds(table, ("luca",))
