"""What the command line calls: trainings from words, answers as (value for JSON, text, left out, failed)."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tenuto.data.check import check_clips
from tenuto.data.clips import ClipTable
from tenuto.data.splits import LeftOut, check_fold
from tenuto.errors import UsageError
from tenuto.files import read_json
from tenuto.models.checkpoint import load
from tenuto.training.evaluate import evaluate_model
from tenuto.training.fit import fit, tell_left_out
from tenuto.training.folds import choose_folds, fit_many, shown
from tenuto.training.own_part import ChangedRun, OwnRun, changed_part, own_part, run_of
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


def folds_to_test(table: ClipTable, fold: str | None, folds: str | None) -> list[str | None]:
    """Of --fold one, of --folds "all" or names with commas between them, of neither None (as `fit` chooses)."""
    if folds is not None:
        return [*choose_folds(table, folds)]
    if fold is not None and fold not in table.folds and (fold == "all" or "," in fold):
        raise UsageError(f"--fold {fold}: wanted the name of one fold; --folds takes several")
    check_fold(table, fold)
    return [fold]


def train_many(
    recipe: Recipe, table: ClipTable, out: Path, folds: Sequence[str | None], seeds: Sequence[int], say: Say
) -> Answer:
    """One training a fold and seed."""
    found = fit_many(recipe, table, out, folds, seeds, say=say, bar=sys.stderr.isatty())
    lines = [_summary_line(name, values) for name, values in found["summary"].items() if values["mean"] is not None]
    lines += [f"FAILED {each['run']}: {each['reason']}" for each in found["failed"]]
    return found, "\n".join([*lines, f"run folders: {out}"]), len(found["left_out"]), len(found["failed"])


def evaluate(
    model: str, table: ClipTable, fold: str | None, split: str | None, out: Path | None, device: str, say: Say
) -> Answer:
    """Metrics of a saved model on labelled clips: of its own data on the test part (where that changed since, on all
    that it did not learn from), of others on all, where neither fold nor split is named."""
    classifier = load(model, device=device)
    run = run_of(model, table) if fold is None and split != "all" else None
    asked = table if run is not None else _part(table, fold, split)
    report = check_clips(asked.clips)
    tell_left_out(report.left_out, say)
    clips, unseen = _chosen(run, report.usable(asked), split, len(table.clips), say)
    batch_size = run.recipe.data.batch_size if isinstance(run, OwnRun) else 32
    found = evaluate_model(classifier, clips, out=out, device=device, batch_size=batch_size, facts=report.facts)
    tell_left_out(found.left_out, say)
    left_out = told_left_out([*report.left_out, *unseen, *found.left_out])
    text = shown(found.figures, "test clips" if split in (None, "test") else "clips")
    return {**found.figures, "left_out": left_out}, text, len(left_out), 0


def _chosen(
    run: OwnRun | ChangedRun | None, usable: ClipTable, split: str | None, n_clips: int, say: Say
) -> tuple[ClipTable, tuple[LeftOut, ...]]:
    """The clips to test on, and those of labels that the run cannot know."""
    if run is None:
        return usable, ()
    if isinstance(run, OwnRun):
        return _own_part(run, usable, split, n_clips, say)
    return _changed_part(run, usable, split, n_clips, say), ()


def _changed_part(run: ChangedRun, usable: ClipTable, split: str | None, n_clips: int, say: Say) -> ClipTable:
    """Of data that changed since the training the clips that the run did not learn from, or a part as it was then."""
    if run.noted is None and (split is None or usable.clips[0].split is not None):
        why = "which clips it learned from was not noted then, and some may be among these"
        say(f"note: {usable.name} is not as it was when this run was trained: {why}")
        return _part(usable, None, split)
    part = changed_part(run, usable, split)
    what = f"the {split} part of this run" if split else "those that this run did not learn from"
    hint = "" if split else "; --split all: every clip"
    say(f"{len(part.clips)} of {n_clips} clips: {what} (files, labels, folds or parts changed since){hint}")
    return part


def _own_part(
    run: OwnRun, usable: ClipTable, split: str | None, n_clips: int, say: Say
) -> tuple[ClipTable, tuple[LeftOut, ...]]:
    """A part of a run's own data, and its clips of labels that no training clip has; says which and of how many."""
    part, unseen = own_part(run, usable, split or "test")
    tell_left_out(unseen, say)
    hint = "" if split else "; --split all: every clip"
    say(f"{len(part.clips)} of {n_clips} clips: the {split or 'test'} part of this run{hint}")
    return part, unseen


def _part(table: ClipTable, fold: str | None, split: str | None) -> ClipTable:
    """The clips of a fold or several, or of a part of the split column."""
    folds = {None} if fold is None else {fold} if fold in table.folds else {*choose_folds(table, fold)}
    parts = {None} if split in (None, "all") else {split}
    clips = tuple(c for c in table.clips if folds & {None, c.fold} and parts & {None, c.split})
    if not clips:
        raise UsageError(f"{table.name}: no clip of split {split!r}: its splits are {_splits(table)}")
    return replace(table, clips=clips)


def _splits(table: ClipTable) -> str:
    return ", ".join(sorted({clip.split for clip in table.clips if clip.split})) or "not given"


def _summary_line(name: str, values: Mapping[str, Any]) -> str:
    spread = "" if values["std"] is None else f" ± {values['std']:.4g}"
    seeds = "" if values["std_of_seeds"] is None else f" (of seeds' means ± {values['std_of_seeds']:.4g})"
    return f"{name:18} {values['mean']:.4g}{spread}{seeds}, {values['runs']} runs"
