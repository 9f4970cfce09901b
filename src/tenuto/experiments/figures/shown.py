"""The clips and the models that a figure shows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

from tenuto.errors import UsageError
from tenuto.experiments.figures.request import Request

if TYPE_CHECKING:
    from tenuto.models.classifier import Classifier

MAKE_RUN = "tenuto train SOURCE frontend.resolution={} frontend.fps=25 --out {}"


@dataclass(frozen=True)
class Shown:
    """A clip to show and what is said of it; no labels where they are not known."""

    path: Path
    labels: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """All labels in one text."""
        return ", ".join(self.labels)

    @property
    def name(self) -> str:
        """What a picture calls it."""
        return self.label or self.path.name


def clips_of(request: Request, n_clips: int, most: int | None = None) -> list[Shown]:
    """The files asked for; else clips of the data, of its part for testing where it has one; else the run's test clips.

    Of data and run: a clip of each of the classes asked for, or of as many as are wanted, from all over the list.

    Args:
        n_clips: how many where that is not asked
        most: how many can be seen in one picture
    Raises:
        UsageError: nothing or too much is named, a file is not there, a class unknown
    """
    shown = _files(request) if request.files else _chosen(request, n_clips if request.limit is None else request.limit)
    if most is not None and len(shown) > most:
        raise UsageError(f"{len(shown)} clips: {request.name} has room for {most}; name fewer")
    return shown


def _chosen(request: Request, wanted: int) -> list[Shown]:
    """Clips of different classes, of data or of what a run was tested on."""
    if wanted < 1:
        raise UsageError(f"--limit {wanted}: wanted at least one clip")
    found = _one_a_class(_of_data(request) if request.data else _tested(request))
    if request.classes:
        return [_of_class(label, found) for label in request.classes][: request.limit]
    clips = list(dict.fromkeys(found.values()))
    n_shown = min(wanted, len(clips))
    return [clips[i * len(clips) // n_shown] for i in range(n_shown)]


def _files(request: Request) -> list[Shown]:
    for option in ("data", "classes", "limit"):
        if getattr(request, option):
            raise UsageError(f"--files and --{option} are given: files are shown as they are named, so choose one")
    for path in request.files:
        if not path.is_file():
            raise UsageError(f"{path}: no such file; name audio files with --files")
    return [Shown(path) for path in request.files]


def _of_data(request: Request) -> list[Shown]:
    """Labelled clips of the data, of its part for testing where it has one."""
    from tenuto.experiments.protocols import load_table

    clips = [clip for name, root in request.data.items() for clip in load_table(name, root).clips]
    found = [Shown(Path(clip.path), clip.labels) for clip in clips if clip.labels and clip.split in (None, "test")]
    if not found:
        raise UsageError(f"{', '.join(request.data)}: no clip with a label to show")
    return found


def _tested(request: Request) -> list[Shown]:
    """The clips that the first run was tested on.

    Their paths are those of the training: relative ones count from its working folder, which is this one or, mostly,
    one of those that the run lies in.
    """
    from tenuto.experiments.answers import read_answers

    if not request.runs:
        asked = f"{request.name} has no clips to show"
        raise UsageError(f"{asked}: name them with --files FILE, or data with --data NAME=ROOT")
    run = request.runs[0]
    _check_run(run, "diffres")
    tested = read_answers(run, run.name)
    clips = zip(tested.paths, tested.targets.tolist(), strict=True)
    every = [Shown(Path(path), tuple(compress(tested.labels, flags))) for path, flags in clips]
    labelled = [each for each in every if each.labels]
    for folder in (Path(), *Path(os.path.abspath(run)).parents):
        found = [replace(each, path=folder / each.path) for each in labelled if (folder / each.path).is_file()]
        if found:
            return found
    raise UsageError(
        f"{run}: none of its test clips is where it was{_way_out(labelled)} name data with --data NAME=ROOT"
    )


def _way_out(clips: Sequence[Shown]) -> str:
    """What to do about clips whose paths lead nowhere, as a part of a sentence."""
    relative = next((clip.path for clip in clips if not clip.path.is_absolute()), None)
    return ";" if relative is None else f": call this from the folder of the training, which has {relative}, or"


def _one_a_class(clips: Sequence[Shown]) -> dict[str, Shown]:
    """Label -> the first clip that has it, one with few labels rather than many; in alphabetical order."""
    found: dict[str, Shown] = {}
    for clip in sorted(clips, key=lambda clip: len(clip.labels)):
        for label in clip.labels:
            found.setdefault(label, clip)
    return dict(sorted(found.items()))


def _of_class(label: str, found: dict[str, Shown]) -> Shown:
    from tenuto.models.settings import unknown_name

    if label not in found:
        raise UsageError(unknown_name(label, list(found), "class"))
    return found[label]


def _check_run(run: Path, wanted: str) -> None:
    if not run.exists():
        raise UsageError(f"{run}: no such run: make it with {MAKE_RUN.format(wanted, run)}")


def load_run(request: Request, resolution: str, wanted: str) -> Classifier:
    """The model of the first run whose resolution is called so (the class's name).

    Args:
        wanted: the recipe's word for it, to say how such a run is made
    Raises:
        UsageError: no run is named, one is not there, or none has this resolution
    """
    from tenuto.models.checkpoint import load

    if not request.runs:
        raise UsageError(f"{request.name} wants --run RUN: make one with {MAKE_RUN.format(wanted, 'RUN')}")
    for run in request.runs:
        _check_run(run, wanted)
        model = load(run)
        if type(model.frontend.resolution).__name__ == resolution:
            return model
    named = ", ".join(map(str, request.runs))
    raise UsageError(f"{named}: no run of {resolution}, which {request.name} shows: {MAKE_RUN.format(wanted, 'RUN')}")
