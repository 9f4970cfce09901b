"""Several trainings in one call, one a fold and seed, with mean and standard deviation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from tenuto.data.check import check_clips
from tenuto.data.clips import ClipTable
from tenuto.errors import UsageError, WorkError
from tenuto.files import write_json
from tenuto.training.fit import fit, quiet, tell_left_out
from tenuto.training.progress import Say
from tenuto.training.recipe import Recipe
from tenuto.training.runs import told_left_out
from tenuto.training.tables import plain, write_csv

FIGURES = ("accuracy", "mAP", "AUC", "d_prime", "loss", "kept_share", "clips_per_second", "training_seconds")


def choose_folds(table: ClipTable, wanted: str) -> list[str]:
    """ "all" or names with commas between them -> folds of `table`.

    Raises:
        UsageError: naming the folds there are
    """
    folds = list(table.folds)
    chosen = folds if wanted == "all" else [name.strip() for name in wanted.split(",")]
    unknown = [name for name in chosen if name not in folds]
    if unknown or not chosen:
        there = f"its folds are {', '.join(folds)}" if folds else "it has no folds"
        raise UsageError(f"{table.name}: no fold {', '.join(unknown) or wanted}; {there}")
    return chosen


def fit_many(
    recipe: Recipe,
    table: ClipTable,
    folder: str | PathLike[str],
    folds: Sequence[str | None],
    seeds: Sequence[int],
    *,
    say: Say = quiet,
    bar: bool = False,
) -> dict[str, Any]:
    """Trains every fold with every seed (a run folder each), going on after interruptions, and sums up.

    A training that fails (WorkError) is listed under "failed" and does not stop the others; who calls may be sure
    that a wrong call (UsageError) stops all at once.

    Returns: runs, failed, and summary: {figure: {mean, std, std_of_seeds, runs}} (see `summarize`); also written to
        summary.json and runs.csv in `folder`.
    Raises:
        WorkError: where no training succeeded
    """
    root = Path(folder)
    report = check_clips(table.clips)
    tell_left_out(report.left_out, say)
    plan = [(fold, seed) for seed in seeds for fold in folds]
    runs: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for n, (fold, seed) in enumerate(plan, 1):
        name = run_name(fold, seed)
        try:
            found = fit(recipe, table, root / name, fold, seed, report=report, bar=bar)
        except WorkError as error:
            failed.append({"run": name, "fold": fold, "seed": seed, "reason": str(error)})
            say(f"run {n}/{len(plan)} · {name} · FAILED: {error}")
            continue
        runs.append({"run": name, "fold": fold, "seed": seed, **{key: found[key] for key in FIGURES}})
        say(f"run {n}/{len(plan)} · {name} · {shown(found)}")
    if not runs:
        raise WorkError(f"all {len(plan)} trainings failed, the first ({failed[0]['run']}) with: {failed[0]['reason']}")
    left_out = told_left_out(report.left_out)
    found = {"runs": runs, "failed": failed, "summary": summarize(runs), "left_out": left_out}
    write_csv(root / "runs.csv", runs)
    write_json(root / "summary.json", plain(found))
    return found


def run_name(fold: str | None, seed: int) -> str:
    """The folder of one of several runs."""
    return f"seed-{seed}" if fold is None else "fold-" + re.sub(r"[^\w.+-]", "_", fold) + f"-seed-{seed}"


def summarize(runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | int | None]]:
    """Of every figure: mean and sample standard deviation over all runs, and over the seeds' means over folds.

    Standard deviations of a single value are None, not 0.
    """
    seeds = sorted({run["seed"] for run in runs})
    table: dict[str, dict[str, float | int | None]] = {}
    for figure in FIGURES:
        known = [run for run in runs if run[figure] is not None]
        values = [run[figure] for run in known]
        of_seeds = [[run[figure] for run in known if run["seed"] == seed] for seed in seeds]
        means = [fmean(group) for group in of_seeds if group]
        table[figure] = {
            "mean": fmean(values) if values else None,
            "std": stdev(values) if len(values) > 1 else None,
            "std_of_seeds": stdev(means) if len(means) > 1 else None,
            "runs": len(values),
        }
    return table


def shown(found: Mapping[str, Any], what: str = "test clips") -> str:
    """The figures of one run in a line, and what they are of."""
    figures = [f"{name} {100 * found[name]:.1f} %" for name in ("accuracy", "mAP", "AUC") if found[name] is not None]
    figures += [f"d-prime {found['d_prime']:.2f}"] if found["d_prime"] is not None else []
    frames = f"{found['kept_frames']} of {found['valid_frames']} frames kept"
    return " · ".join([*figures, f"{found['test_clips']} {what}", frames])
