"""The paper's Table 1: methods of reducing time at several frame rates, on any data, done cell by cell."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tenuto.errors import UsageError
from tenuto.experiments.circumstances import circumstances, shown_path
from tenuto.experiments.grid import (
    Cell,
    Outcome,
    Say,
    check_recipes,
    raise_if_nothing_worked,
    run_grid,
)
from tenuto.experiments.grid_data import GridData
from tenuto.experiments.protocols import FULL_FPS, LENGTHS, METHODS, Scale, recipe_of
from tenuto.experiments.results import gather
from tenuto.experiments.store import Store
from tenuto.experiments.table1_page import write_page
from tenuto.models.settings import unknown_name
from tenuto.training.recipe import MACHINE_KEYS, Recipe, flatten

ORDERS = ("seed-major", "cell-major")


@dataclass(frozen=True)
class Plan:
    """What of Table 1 is asked for.

    Args:
        data: name -> folder; a name that `protocols.PROTOCOLS` has brings its recipe and the paper's numbers
        order: "seed-major": one seed of every cell first; "cell-major": all seeds of a cell first
        folds: None: all
        threads: CPU threads of a training; None: what the environment gives
    Raises:
        UsageError: an unknown method, length or order, a frame rate that is none, nothing to do
    """

    data: Mapping[str, Path]
    out: Path
    methods: tuple[str, ...] = METHODS
    fps: tuple[float, ...] = (25.0, 50.0, 75.0)
    seeds: tuple[int, ...] = (0, 1, 2)
    folds: tuple[str, ...] | None = None
    lengths: tuple[str, ...] = ("fixed",)
    order: str = "seed-major"
    scale: Scale = field(default_factory=Scale)
    threads: int | None = None

    def __post_init__(self) -> None:
        choices = [
            ("method", self.methods, METHODS),
            ("length", self.lengths, LENGTHS),
            ("order", [self.order], ORDERS),
        ]
        for kind, given, known in choices:
            for name in given:
                if name not in known:
                    raise UsageError(unknown_name(name, list(known), kind))
        for fps in self.fps:
            if not 0 < fps < FULL_FPS:
                raise UsageError(f"fps {fps:g}: wanted above 0 and below {FULL_FPS:g}, which is the log-mel itself")
        if not (self.methods and self.lengths and self.seeds and (self.fps or self.methods == ("logmel",))):
            raise UsageError("nothing to do: name at least one method, length, seed and frame rate")

    @property
    def command(self) -> str:
        """The command that asks for this, without folders of this machine."""
        words = ["tenuto", "reproduce", "table1"]
        for name, root in self.data.items():
            words += ["--data", f"{name}={shown_path(root)}"]
        words += ["--methods", ",".join(self.methods), "--fps", ",".join(f"{fps:g}" for fps in self.fps)]
        words += ["--seeds", ",".join(map(str, self.seeds)), "--length", ",".join(self.lengths)]
        options = {
            "--folds": self.folds and ",".join(self.folds),
            "--order": self.order,
            "--threads": self.threads,
        }
        options |= {
            "--backbone": self.scale.backbone,
            "--epochs": self.scale.epochs,
            "--limit": self.scale.limit,
        }
        for option, value in options.items():
            words += [] if value is None else [option, str(value)]
        return shlex.join([*words, "--out", shown_path(self.out), *self.scale.overrides])


def cells_of(plan: Plan, folds: Mapping[str, Sequence[str]]) -> list[Cell]:
    """Every cell of the plan in its order; the log-mel has one frame rate, 100."""
    columns = [(m, fps) for m in plan.methods for fps in ((FULL_FPS,) if m == "logmel" else plan.fps)]
    cells = [
        Cell(name, method, fps, length, fold, seed)
        for seed in plan.seeds
        for name in plan.data
        for length in plan.lengths
        for method, fps in columns
        for fold in folds[name]
    ]
    if plan.order == "cell-major":
        position = {cell.group: i for i, cell in reversed(list(enumerate(cells)))}
        cells.sort(key=lambda cell: position[cell.group])  # stable: seeds, then folds, stay in order
    return cells


def reproduce(plan: Plan, say: Say | None = None) -> dict[str, Any]:
    """Works off what the plan asks for and is not done yet; writes and returns the table of all there is.

    Without data only the table is made, from what is there.

    Returns:
        text (the page), rows, differences (for JSON), failed (name -> reason), files
    Raises:
        UsageError: the plan does not fit the data, or the folder holds results of other settings
        WorkError: every cell failed
    """
    store = Store(plan.out)
    if not plan.data and not store.names():
        raise UsageError(f"{plan.out} holds no results yet: name data with --data NAME=FOLDER")
    data = {name: GridData(name, root, plan.scale.limit, plan.folds) for name, root in plan.data.items()}
    cells = cells_of(plan, {name: each.folds for name, each in data.items()})
    outcome = _work_off(plan, cells, data, store, say)
    records = [store.read(name) for name in store.names()]
    page = write_page(gather(records, cells), records, outcome.failed, plan.out)
    raise_if_nothing_worked(outcome)
    return page


def _work_off(
    plan: Plan, cells: Sequence[Cell], data: Mapping[str, GridData], store: Store, say: Say | None
) -> Outcome:
    recipes = {cell.name: recipe_of(cell, plan.scale, data[cell.data].seconds(cell)) for cell in cells}
    if plan.threads is not None:
        recipes = {name: replace(r, training=replace(r.training, threads=plan.threads)) for name, r in recipes.items()}
    check_recipes(cells, store, {name: kept_settings(recipe, plan) for name, recipe in recipes.items()})

    def work(cell: Cell) -> dict[str, Any]:
        return train_cell(cell, recipes[cell.name], data[cell.data], plan)

    return run_grid(cells, store, work, say)


def kept_settings(recipe: Recipe, plan: Plan) -> dict[str, Any]:
    """What decides a result besides the cell: the recipe, less what concerns the machine, and the limit."""
    settings = {key: value for key, value in flatten(recipe).items() if key not in MACHINE_KEYS}
    return {**settings, "limit": plan.scale.limit}


def train_cell(cell: Cell, recipe: Recipe, data: GridData, plan: Plan) -> dict[str, Any]:
    """Trains and tests one cell; its run folder stays, without the checkpoints that only resuming needs."""
    from tenuto.training.fit import fit  # heavy: a finished grid prints without it

    folder = plan.out / "runs" / cell.name
    fold = data.fold(cell)
    found = fit(recipe, data.table, folder, fold, cell.seed, report=data.report)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    found = {key: value for key, value in found.items() if key != "per_class"}
    metric = "mAP" if data.table.multi_label else "accuracy"
    return {
        "metric": metric,
        "score": found[metric],
        "kept_frames": found["kept_frames"],
        "sound_frames": data.sound_frames(recipe, fold, cell.seed),
        "found": found,
        "recipe": kept_settings(recipe, plan),
        "command": plan.command,
        **circumstances(),
    }
