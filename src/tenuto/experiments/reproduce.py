"""Works a table off: from a plan to its cells, their trainings, and the page of all there is."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tenuto.errors import UsageError
from tenuto.experiments.circumstances import circumstances
from tenuto.experiments.curve_files import keep_curves
from tenuto.experiments.grid import (
    Cell,
    Outcome,
    Say,
    cell_of,
    check_clips_are_the_same,
    check_recipes,
    raise_if_nothing_worked,
    run_grid,
    to_stderr,
)
from tenuto.experiments.grid_data import GridData
from tenuto.experiments.left_out import kept_left_out, left_out_lines
from tenuto.experiments.page import Page, write_page
from tenuto.experiments.plan import Plan, cells_of
from tenuto.experiments.protocols import protocol, recipe_of
from tenuto.experiments.results import Results, gather
from tenuto.experiments.store import Store
from tenuto.experiments.variants import FIXED_NUMBER
from tenuto.training.recipe import MACHINE_KEYS, Recipe, flatten


def reproduce(plan: Plan, say: Say | None = None) -> dict[str, Any]:
    """Works off what the plan asks for and is not done yet; writes and returns the table of all there is.

    Without data only the table is made, from what is there.

    Returns:
        text (the page), rows, differences (for JSON), failed (name -> reason), left_out (a line a clip), files
    Raises:
        UsageError: the plan does not fit the data, or the folder holds results of other settings
        WorkError: every cell failed
    """
    say = say or to_stderr
    store = Store(plan.out)
    cells, outcome, checked = work_off(plan, store, say)
    records = stored_records(plan, store, cells)
    if not records and not cells:
        raise UsageError(
            f"{plan.out} holds no results of {plan.experiment.name} yet: name data with --data NAME=FOLDER"
        )
    results = gather(plan.experiment, records, cells)
    left_out = left_out_lines(records, checked)
    page = write_page(results, records, outcome.failed, plan.out, _drawn(results, records, plan.out), left_out)
    for line in left_out:
        say(f"left out: {line}")
    raise_if_nothing_worked(outcome)
    return page


def _drawn(results: Results, records: Sequence[Mapping[str, Any]], out: Path) -> Page | None:
    """What the experiment shows in pictures, None where that is nothing."""
    if results.experiment.curves:
        from tenuto.experiments.curves_page import write_curves  # matplotlib

        return write_curves(results, records, out)
    if results.experiment.compute:
        from tenuto.experiments.trade_off_page import write_trade_off  # matplotlib, and torch to count

        return write_trade_off(results, records, out)
    return None


def work_off(plan: Plan, store: Store, say: Say) -> tuple[list[Cell], Outcome, list[str]]:
    """Trains the plan's cells that the store does not hold; all its cells, how that ended, what checks left out."""
    if not plan.data and not store.names():
        raise UsageError(f"{plan.out} holds no results yet: name data with --data NAME=FOLDER")
    data = {name: GridData(name, root, plan.scale.limit, plan.folds, say) for name, root in plan.data.items()}
    cells = cells_of(plan, {name: each.folds for name, each in data.items()})
    recipes = {cell.name: _recipe(cell, plan, data[cell.data]) for cell in cells}
    check_recipes(cells, store, {name: kept_settings(recipe, plan) for name, recipe in recipes.items()})
    check_clips_are_the_same(cells, store, {cell.name: data[cell.data].fingerprint for cell in cells})

    def work(cell: Cell) -> dict[str, Any]:
        return train_cell(cell, recipes[cell.name], data[cell.data], plan)

    outcome = run_grid(cells, store, work, say)
    return cells, outcome, [line for each in data.values() for line in each.left_out]


def stored_records(plan: Plan, store: Store, cells: Sequence[Cell] = ()) -> list[dict[str, Any]]:
    """The stored results that the plan's table shows: those asked for, and others that belong into it."""
    asked = {cell.name for cell in cells}
    records = [store.read(name) for name in store.names()]
    covered = plan.experiment.covered([cell_of(record).column for record in records])
    return [record for record in records if (cell := cell_of(record)).name in asked or cell.column in covered]


def _recipe(cell: Cell, plan: Plan, data: GridData) -> Recipe:
    fixed_seconds = data.fixed_seconds if cell.variant == FIXED_NUMBER else 0.0  # where it is not read, nor looked for
    recipe = recipe_of(cell, plan.scale, data.seconds(cell), fixed_seconds, plan.experiment)
    if plan.threads is None:
        return recipe
    return replace(recipe, training=replace(recipe.training, threads=plan.threads))


def kept_settings(recipe: Recipe, plan: Plan) -> dict[str, Any]:
    """What decides a result besides the cell: the recipe, less what concerns the machine, and the limit."""
    settings = {key: value for key, value in flatten(recipe).items() if key not in MACHINE_KEYS}
    return {**settings, "limit": plan.scale.limit}


def train_cell(cell: Cell, recipe: Recipe, data: GridData, plan: Plan) -> dict[str, Any]:
    """Trains and tests one cell; its run folder stays, without the checkpoints that only resuming needs."""
    from tenuto.models.build import build_frontend  # heavy: a finished grid prints without it
    from tenuto.training.fit import fit

    folder = plan.out / "runs" / cell.name
    fold = data.fold(cell)
    found = fit(recipe, data.table, folder, fold, cell.seed, report=data.report)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    keep_curves(plan.out, cell.name)
    found = {key: value for key, value in found.items() if key != "per_class"}
    metric = "mAP" if data.table.multi_label else "accuracy"
    if protocol(cell.data).paper_set in plan.experiment.auc_of:
        metric = "AUC"
    return {
        "metric": metric,
        "score": found[metric],
        "kept_frames": found["kept_frames"],
        "sound_frames": data.sound_frames(recipe, fold, cell.seed),
        "found": found,
        "clips": data.fingerprint,
        "left_out": kept_left_out(folder, data.table),
        "frontend_parameters": sum(p.numel() for p in build_frontend(recipe.frontend).parameters()),
        "recipe": kept_settings(recipe, plan),
        "command": plan.command,
        **circumstances(),
    }
