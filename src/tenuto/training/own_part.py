"""The parts that a run trained, validated and tested on, found again from its run folder and its data.

Of the same data they are split anew, as `fit` did; of data that has changed since they are what the run noted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tenuto.data.clips import ClipTable
from tenuto.data.identity import fingerprint
from tenuto.data.splits import LeftOut, split
from tenuto.errors import UsageError
from tenuto.training.recipe import Recipe, load_recipe
from tenuto.training.runs import RunFolder, clip_name, noted_clips, read_run

WAY_OUT = "--split all evaluates every clip without it"


@dataclass(frozen=True)
class OwnRun:
    """What a run says of itself that decides its parts."""

    recipe: Recipe
    fold: str | None
    seed: int


@dataclass(frozen=True)
class ChangedRun:
    """What a run noted of the clips of its data, before they changed: names under the root by part, or nothing."""

    noted: dict[str, set[str]] | None

    @property
    def learned(self) -> set[str]:
        """Names of the clips that the run learned from or was chosen by."""
        return (self.noted or {}).get("train", set()) | (self.noted or {}).get("valid", set())


def run_of(model: str, table: ClipTable) -> OwnRun | ChangedRun | None:
    """The run that `model` (its folder, or a file in it) belongs to, where it was trained on `table`, or on data of
    its name that changed since; else None.

    Raises:
        UsageError: a recipe that this version does not read
        WorkError: a run.json or clips.json that cannot be read
    """
    folder = _folder(model)
    if not folder.run.exists():
        return None
    told = read_run(folder, WAY_OUT)
    if told.get("data") == fingerprint(table):
        return _own_run(folder, told) if folder.recipe.exists() else None
    return _changed_run(folder, table) if told.get("source") == table.name else None


def _own_run(folder: RunFolder, told: dict[str, Any]) -> OwnRun:
    try:
        return OwnRun(load_recipe(folder.recipe), told.get("fold"), told.get("seed", 0))
    except UsageError as error:
        raise UsageError(f"{folder.recipe}: {error}; {WAY_OUT}") from error


def _changed_run(folder: RunFolder, table: ClipTable) -> ChangedRun | None:
    """What it noted; None where it shares no clip with `table`, as far as that can be known."""
    noted = noted_clips(folder, WAY_OUT)
    names = {clip_name(table, clip.path) for clip in table.clips}
    return ChangedRun(noted) if noted is None or any(names & part for part in noted.values()) else None


def changed_part(run: ChangedRun, usable: ClipTable, name: str | None) -> ClipTable:
    """The clips of a part as noted; without a name those that the run did not learn from, new ones among them.

    Raises:
        UsageError: no clip in this part, or nothing noted to find it by
    """
    if run.noted is None:
        raise UsageError(
            f"{usable.name}: changed since this run was trained, which did not note its {name} part: {WAY_OUT}"
        )
    wanted = run.noted.get(name, set()) if name else run.learned
    clips = tuple(clip for clip in usable.clips if (clip_name(usable, clip.path) in wanted) == bool(name))
    if not clips:
        which = f"in the {name} part of this run" if name else "that this run did not learn from"
        raise UsageError(f"{usable.name}: no clip {which}: {WAY_OUT}")
    return replace(usable, clips=clips)


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


def _folder(model: str) -> RunFolder:
    return RunFolder(Path(model) if Path(model).is_dir() else Path(model).parent)
