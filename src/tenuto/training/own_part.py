"""The parts that a run trained, validated and tested on, found again from its run folder and the same data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tenuto.data.clips import ClipTable
from tenuto.data.identity import fingerprint
from tenuto.data.splits import LeftOut, split
from tenuto.errors import UsageError
from tenuto.training.recipe import Recipe, load_recipe
from tenuto.training.runs import RunFolder, read_run

WAY_OUT = "--split all evaluates every clip without it"


@dataclass(frozen=True)
class OwnRun:
    """What a run says of itself that decides its parts."""

    recipe: Recipe
    fold: str | None
    seed: int


def own_run(model: str, table: ClipTable) -> OwnRun | None:
    """The run that `model` (its folder, or a file in it) belongs to, where it was trained on `table`; else None.

    Raises:
        UsageError: a recipe that this version does not read
        WorkError: a run.json that cannot be read
    """
    folder = RunFolder(Path(model) if Path(model).is_dir() else Path(model).parent)
    if not (folder.recipe.exists() and folder.run.exists()):
        return None
    told = read_run(folder, WAY_OUT)
    if told.get("data") != fingerprint(table):
        return None
    try:
        return OwnRun(load_recipe(folder.recipe), told.get("fold"), told.get("seed", 0))
    except UsageError as error:
        raise UsageError(f"{folder.recipe}: {error}; {WAY_OUT}") from error


def own_part(run: OwnRun, usable: ClipTable, name: str) -> tuple[ClipTable, tuple[LeftOut, ...]]:
    """The clips of the run's train, valid or test part, and those that it left out for their labels.

    Args:
        usable: what is left of the whole data after the check, from which `fit` splits too

    Raises:
        UsageError: no clip in this part
    """
    parts = split(usable, run.fold, run.recipe.data.valid_share, run.seed)
    clips = {"train": parts.train, "valid": parts.valid, "test": parts.test}[name]
    if not clips:
        raise UsageError(f"{usable.name}: no clip in the {name} part of this run: wanted --split train, test or all")
    return replace(usable, clips=clips), () if name == "train" else parts.left_out
