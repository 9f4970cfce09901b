"""What the command line calls: trainings from words, answers as (value for JSON, text, left out, failed)."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tenuto.data.check import check_clips
from tenuto.data.clips import ClipTable
from tenuto.errors import UsageError
from tenuto.files import read_json
from tenuto.training.evaluate import evaluate_model
from tenuto.training.fit import fit, tell_left_out
from tenuto.training.folds import choose_folds, fit_many, shown
from tenuto.training.progress import Say
from tenuto.training.recipe import Recipe
from tenuto.training.runs import RunFolder, told_left_out

Answer = tuple[dict[str, Any], str, int, int]


def train_one(recipe: Recipe, table: ClipTable, out: Path, fold: str | None, seed: int, say: Say) -> Answer:
    """One training."""
    found = fit(recipe, table, out, fold, seed, say=say, bar=sys.stderr.isatty())
    left_out = read_json(RunFolder(out).run)["left_out"]
    value = {"run": str(out), **found, "left_out": left_out}
    return value, f"{shown(found)}\nrun folder: {out}", len(left_out), 0


def train_many(
    recipe: Recipe, table: ClipTable, out: Path, folds: str | None, seeds: Sequence[int], say: Say
) -> Answer:
    """One training a fold and seed; `folds` is "all", names with commas between them, or None (as `fit` chooses)."""
    chosen: list[str | None] = [None] if folds is None else [*choose_folds(table, folds)]
    found = fit_many(recipe, table, out, chosen, seeds, say=say, bar=sys.stderr.isatty())
    lines = [_summary_line(name, values) for name, values in found["summary"].items() if values["mean"] is not None]
    lines += [f"FAILED {each['run']}: {each['reason']}" for each in found["failed"]]
    return found, "\n".join([*lines, f"run folders: {out}"]), len(found["left_out"]), len(found["failed"])


def evaluate(
    model: str, table: ClipTable, fold: str | None, split: str | None, out: Path | None, device: str, say: Say
) -> Answer:
    """Metrics of a saved model on labelled clips, or on those of one fold or split."""
    table = _part(table, fold, split)
    report = check_clips(table.clips)
    tell_left_out(report.left_out, say)
    found = evaluate_model(model, report.usable(table), out=out, device=device, facts=report.facts)
    left_out = told_left_out([*report.left_out, *found.left_out])
    return {**found.figures, "left_out": left_out}, shown(found.figures), len(left_out), 0


def _part(table: ClipTable, fold: str | None, split: str | None) -> ClipTable:
    """The clips of a fold or split."""
    if fold is not None:
        choose_folds(table, fold)
    clips = tuple(c for c in table.clips if fold in (None, c.fold) and split in (None, c.split))
    if not clips:
        raise UsageError(f"{table.name}: no clip of split {split!r}: its splits are {_splits(table)}")
    return replace(table, clips=clips)


def _splits(table: ClipTable) -> str:
    return ", ".join(sorted({clip.split for clip in table.clips if clip.split})) or "not given"


def _summary_line(name: str, values: Mapping[str, Any]) -> str:
    spread = "" if values["std"] is None else f" ± {values['std']:.4g}"
    seeds = "" if values["std_of_seeds"] is None else f" (of seeds' means ± {values['std_of_seeds']:.4g})"
    return f"{name:18} {values['mean']:.4g}{spread}{seeds}, {values['runs']} runs"
