"""Several trainings in one call, one a fold and seed, with mean and standard deviation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from os import PathLike
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from tenuto.data.check import check_clips
from tenuto.data.clips import ClipTable
from tenuto.data.splits import LeftOut
from tenuto.errors import UsageError, WorkError
from tenuto.files import write_json
from tenuto.training.fit import fit, quiet, tell_left_out
from tenuto.training.progress import Say
from tenuto.training.recipe import Recipe, check_seed
from tenuto.training.runs import RunFolder, read_run, told_left_out
from tenuto.training.tables import plain, write_csv

FIGURES = ("accuracy", "mAP", "AUC", "d_prime", "loss", "kept_share", "clips_per_second", "training_seconds")


def choose_folds(table: ClipTable, wanted: str) -> list[str]:
    """ "all", a name, or names with commas between them -> folds of `table`, each once.

    Raises:
        UsageError: naming the folds there are
    """
    folds = list(table.folds)
    chosen = folds if wanted == "all" else [wanted] if wanted in folds else _names(wanted)
    unknown = [name for name in chosen if name not in folds]
    if unknown or not chosen:
        there = f"its folds are {', '.join(folds)}" if folds else "it has no folds"
        raise UsageError(f"{table.name}: no fold {', '.join(unknown) or wanted}; {there}")
    return chosen


def _names(wanted: str) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in wanted.split(",")))


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
    """Trains every fold with every seed, once each (a run folder each), going on after interruptions, and sums up.

    A training that fails (WorkError) is listed under "failed" and does not stop the others; who calls may be sure
    that a wrong call (UsageError) stops all at once.

    Returns: runs, failed, and summary: {figure: {mean, std, std_of_seeds, runs}} (see `summarize`); also written to
        summary.json and runs.csv in `folder`.
    Raises:
        UsageError: a seed out of range, a folder of something else
        WorkError: where no training succeeded
    """
    root = Path(folder)
    plan = list(dict.fromkeys((fold, seed) for seed in seeds for fold in folds))
    for _, seed in plan:
        check_seed(seed)
    _check_root(root)
    report = check_clips(table.clips)
    tell_left_out(report.left_out, say)
    left_out = told_left_out(report.left_out)
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
        left_out += _new_left_out(root / name, left_out, say)
        runs.append({"run": name, "fold": fold, "seed": seed, **{key: found[key] for key in FIGURES}})
        say(f"run {n}/{len(plan)} · {name} · {shown(found)}")
    if not runs:
        raise WorkError(f"all {len(plan)} trainings failed, the first ({failed[0]['run']}) with: {failed[0]['reason']}")
    found = {"runs": runs, "failed": failed, "summary": summarize(runs), "left_out": left_out}
    write_csv(root / "runs.csv", runs)
    write_json(root / "summary.json", plain(found))
    return found


def run_name(fold: str | None, seed: int) -> str:
    """The folder of one of several runs; a fold that cannot be named so is told from others by a hash."""
    if fold is None:
        return f"seed-{seed}"
    name = re.sub(r"[^\w.+-]", "_", fold)
    told = name if name == fold else f"{name}-{sha256(fold.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"
    return f"fold-{told}-seed-{seed}"


def _check_root(root: Path) -> None:
    """Raises UsageError where `root` holds anything else than what `fit_many` leaves."""
    if root.exists() and not (root.is_dir() and all(_left_by_us(path) for path in root.iterdir())):
        raise UsageError(f"{root} is there and is no run folder of several trainings: choose a new or an empty one")


def _left_by_us(path: Path) -> bool:
    if path.is_dir():
        return re.fullmatch(r"(fold-.+-)?seed-\d+", path.name) is not None
    return path.name in ("runs.csv", "summary.json") or path.name.endswith(".part")


def _new_left_out(run: Path, known: Sequence[Mapping[str, str]], say: Say) -> list[dict[str, str]]:
    """What a run left out that is not among `known`, named to `say`."""
    theirs: list[dict[str, str]] = read_run(RunFolder(run)).get("left_out", [])
    new = [each for each in theirs if each not in known]
    tell_left_out([LeftOut(Path(each["path"]), each["reason"]) for each in new], say)
    return new


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
    came, valid = found.get("input_frames", found["valid_frames"]), found["valid_frames"]
    frames = f"{found['kept_frames']} of {came} frames kept" + (f" ({valid} hold sound)" if came != valid else "")
    return " · ".join([*figures, f"{found['test_clips']} {what}", frames])
