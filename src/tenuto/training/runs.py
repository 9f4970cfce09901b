"""The folder of one training: what is in it, what it was made from, and whether it may be gone on with."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from tenuto import __version__
from tenuto.data.clips import ClipTable
from tenuto.data.splits import LeftOut, Parts
from tenuto.errors import UsageError, WorkError
from tenuto.files import read_json, write_json
from tenuto.training.recipe import Recipe, differing_keys, load_recipe, save_recipe

PACKAGES = ("torch", "lightning", "torchmetrics", "timm", "numpy", "soundfile", "soxr")
BEGIN_ANEW = "delete the folder to begin anew"


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run. `metrics.json` is written last: where it is, the run is finished."""

    root: Path

    @property
    def recipe(self) -> Path:
        return self.root / "recipe.yaml"

    @property
    def run(self) -> Path:
        return self.root / "run.json"

    @property
    def clips(self) -> Path:
        return self.root / "clips.json"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.json"

    @property
    def curves(self) -> Path:
        return self.root / "curves.csv"

    @property
    def last(self) -> Path:
        return self.root / "checkpoints" / "last.ckpt"

    @property
    def best(self) -> Path:
        return self.root / "checkpoints" / "best.ckpt"


def claim(folder: RunFolder, recipe: Recipe, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Makes `folder` the run of this recipe and identity (fold, seed, data); its results, where it is finished.

    A run that was refused or killed before its first epoch has nothing to lose: another takes its place.

    Raises:
        UsageError: where the folder holds another run, naming what differs, or something else altogether.
        WorkError: where the folder cannot be written.
    """
    if folder.recipe.exists() and folder.run.exists():
        try:
            check_own(folder, recipe, identity)
        except UsageError:
            if not _empty(folder):
                raise
        else:
            return _read(folder.metrics) if folder.metrics.exists() else None
    if folder.root.exists() and not _empty(folder):
        raise UsageError(f"{folder.root} is there and is no run folder: choose a new or an empty one")
    try:
        save_recipe(recipe, folder.recipe)
        write_json(folder.run, {**identity, **_circumstances()})
    except OSError as error:
        raise WorkError(f"{folder.root} cannot be written: {error.strerror or error}") from error
    return None


def amend(folder: RunFolder, **facts: Any) -> None:
    """Adds facts to run.json."""
    write_json(folder.run, {**read_run(folder), **facts})


def read_run(folder: RunFolder, way_out: str = BEGIN_ANEW) -> dict[str, Any]:
    """What run.json says; WorkError, with the way out, where it cannot be read."""
    return _read(folder.run, way_out)


def note_clips(folder: RunFolder, table: ClipTable, parts: Parts) -> None:
    """Notes which clips are trained, validated and tested on, by their paths under the root of the data."""
    clips = {"train": parts.train, "valid": parts.valid, "test": parts.test}
    write_json(folder.clips, {part: [clip_name(table, clip.path) for clip in each] for part, each in clips.items()})


def clip_name(table: ClipTable, path: Path) -> str:
    """The name of a clip as it is noted: its path under the root, in UTF-8 whatever the name of the file."""
    return table.shown(path).encode("utf-8", "backslashreplace").decode()


def noted_clips(folder: RunFolder, way_out: str = BEGIN_ANEW) -> dict[str, set[str]] | None:
    """What `note_clips` noted; None of a run made before clips were noted. WorkError where it cannot be read."""
    if not folder.clips.exists():
        return None
    noted = _read(folder.clips, way_out)
    if not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in noted.values()):
        raise WorkError(f"{folder.clips} holds something else than names of clips: {way_out}")
    return {part: set(names) for part, names in noted.items()}


def told_left_out(left_out: Sequence[LeftOut]) -> list[dict[str, str]]:
    """Files that take no part, as JSON tells of them."""
    return [{"path": str(each.path), "reason": each.reason} for each in left_out]


def amend_left_out(folder: RunFolder, more: Sequence[LeftOut]) -> None:
    """Adds files that failed after the check, in the middle of the training, to run.json."""
    known: list[dict[str, str]] = read_run(folder)["left_out"]
    if more:
        amend(folder, left_out=known + [each for each in told_left_out(more) if each not in known])


def _empty(folder: RunFolder) -> bool:
    """Whether nothing is there but what a run leaves that was refused or killed before its first epoch."""
    if not folder.root.is_dir():
        return False
    files = [path for path in folder.root.rglob("*") if not path.is_dir()]
    return all(path in (folder.recipe, folder.run, folder.clips) or path.name.endswith(".part") for path in files)


def check_own(folder: RunFolder, recipe: Recipe, identity: dict[str, Any]) -> None:
    """Raises UsageError, naming what differs, where `folder` is the run of another recipe or identity."""
    differing = differing_keys(recipe, load_recipe(folder.recipe))
    if differing:
        raise UsageError(
            f"{folder.root} holds a run of another recipe, differing in {', '.join(differing)}: "
            "choose another folder, or give the same recipe to go on with it"
        )
    theirs = read_run(folder)
    for key, value in identity.items():
        if theirs.get(key) != value:
            why = " (files, labels, folds or parts came, went or changed since)" if key == "data" else ""
            raise UsageError(
                f"{folder.root} holds a run with {key}={theirs.get(key)!r}, not {value!r}{why}: choose another folder"
            )


def _read(path: Path, way_out: str = BEGIN_ANEW) -> dict[str, Any]:
    try:
        value = read_json(path)
    except (OSError, ValueError) as error:
        raise WorkError(f"{path} cannot be read ({error}): {way_out}") from error
    if not isinstance(value, dict):
        raise WorkError(f"{path} holds no JSON object: {way_out}")
    return value


def _circumstances() -> dict[str, Any]:
    """What a result depends on besides recipe, seed and data."""
    return {
        "tenuto": __version__,
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "machine": {
            "system": platform.platform(),
            "processor": platform.processor() or platform.machine(),
            "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        "command": shlex.join(sys.argv),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
