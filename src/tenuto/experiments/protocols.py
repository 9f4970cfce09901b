"""How each data set is evaluated in the tables, and the recipe of a cell of a grid."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from tenuto.data.clips import Clip, ClipTable
from tenuto.data.sets import LAYOUTS, find_clips
from tenuto.errors import UsageError
from tenuto.experiments.experiment import HOP_MS, Experiment
from tenuto.experiments.grid import Cell
from tenuto.experiments.variants import overrides_of
from tenuto.models.settings import unknown_name
from tenuto.training.recipe import Recipe, load_recipe

LENGTHS = ("fixed", "own")
MAX_FIXED_SECONDS = 10.0  # of data that no protocol is known for
NO_FOLD = "all"
HEADS = {"sbcnn": "mean", "vgg": "mean", "timbre": "none"}  # of the post's models; PSLA's behind any other backbone


@dataclass(frozen=True)
class Protocol:
    """What a data set's tables need to know of it.

    `paper_set` is the data set in the paper whose numbers are set beside; `same` whether it is this very one.
    """

    title: str
    fixed_seconds: float | None  # the one length of "fixed"; None: the longest clip's
    recipe: str | None = None  # of tenuto's own recipes
    paper_set: str | None = None
    same: bool = False
    layout: str | None = None  # the paper's way to read the set, where there is another


PROTOCOLS = {
    "audioset": Protocol("AudioSet", 10.0, "audioset", "AudioSet", same=True),
    "fsd50k": Protocol("FSD50K", 30.0, "fsd50k", "FSD50K", same=True),
    "esc50": Protocol("ESC-50", 5.0, "esc50", "ESC-50", same=True),
    "speechcommands": Protocol("Speech Commands", 0.98, "speechcommands", "Speech Commands", same=True),
    "nsynth": Protocol("NSynth", 4.0, "nsynth", "NSynth", same=True, layout="nsynth-paper"),
    "esc10": Protocol("ESC-10", 5.0, "esc10", "ESC-50"),
    "fsdd": Protocol("FSDD", 1.0, "fsdd", "Speech Commands"),
    "spoken": Protocol("Spoken commands", 1.0, "spoken", "Speech Commands"),
    "philharmonia": Protocol("Philharmonia notes", 4.0, "philharmonia", "NSynth"),
}


@dataclass(frozen=True)
class Scale:
    """How a table is scaled down (or changed) from the recipes; None leaves the recipe's own."""

    backbone: str | None = None
    epochs: int | None = None
    limit: int | None = None  # clips of each class in each fold or split
    overrides: tuple[str, ...] = ()  # "section.key=value"


def protocol(name: str) -> Protocol:
    """The protocol of a data set; for a name not known, one without the paper's numbers."""
    return PROTOCOLS.get(name, Protocol(name, None))


def load_table(name: str, root: str | Path, limit: int | None = None) -> ClipTable:
    """The clips of a data set, at most `limit` of each class in each fold or split."""
    table = find_clips(Path(root), _layout(name, Path(root)))
    return table if limit is None else limited(table, limit)


def _layout(name: str, root: Path) -> str:
    """The paper's way to read a data set, where `root` holds that set as published."""
    recognised = next((row.name for row in LAYOUTS if row.recognises and row.recognises(root)), None)
    own = protocol(name).layout if recognised == name else None
    return own or "auto"


def limited(table: ClipTable, n_clips: int) -> ClipTable:
    """The first `n_clips` of each class in each fold and split, in the table's order."""
    if n_clips < 1:
        raise UsageError(f"limit {n_clips}: at least 1 clip of each class and fold is wanted")
    counts: Counter[tuple[object, ...]] = Counter()
    kept: list[Clip] = []
    for clip in table.clips:
        kind = (clip.labels, clip.fold, clip.split)
        counts[kind] += 1
        if counts[kind] <= n_clips:
            kept.append(clip)
    return replace(table, clips=tuple(kept))


def choose_folds(table: ClipTable, folds: tuple[str, ...] | None) -> tuple[str, ...]:
    """The folds asked for (all by default); "all" for data without folds."""
    if not table.folds:
        return (NO_FOLD,)
    for fold in folds or ():
        if fold not in table.folds:
            raise UsageError(f"{table.name}: " + unknown_name(fold, list(table.folds), "fold"))
    return folds or tuple(table.folds)


def recipe_of(
    cell: Cell,
    scale: Scale,
    clip_seconds: float | None,
    fixed_seconds: float = 0.0,
    experiment: Experiment | None = None,
) -> Recipe:
    """The recipe of a cell: the data set's own, with the table's settings, the cell's, the user's, the variant's.

    Args:
        clip_seconds: what the cell's clips are brought to; None: each keeps its own length
        fixed_seconds: what padding would bring them to
    """
    known = protocol(cell.data)
    table = [] if experiment is None else list(experiment.settings(known.paper_set, cell.variant))
    overrides = [*table, *_of_cell(cell, clip_seconds), *_of_scale(load_recipe(known.recipe, table), scale)]
    if cell.hop_ms != HOP_MS:
        sample_rate = load_recipe(known.recipe, [*table, *scale.overrides]).frontend.sample_rate
        overrides.append(f"frontend.hop_length={max(1, round(sample_rate * cell.hop_ms / 1000))}")
    variant = overrides_of(cell.variant, cell.fps, fixed_seconds)
    return load_recipe(known.recipe, [*overrides, *scale.overrides, *variant])


def _of_cell(cell: Cell, clip_seconds: float | None) -> list[str]:
    full = cell.method == "logmel"
    return [
        f"frontend.resolution={'none' if full else cell.method}",
        f"frontend.fps={'null' if full else cell.fps}",
        f"data.clip_seconds={'null' if clip_seconds is None else clip_seconds}",
    ]


def _of_scale(base: Recipe, scale: Scale) -> list[str]:
    overrides = []
    if scale.backbone is not None:
        overrides += [f"model.backbone={scale.backbone}", f"model.head={HEADS.get(scale.backbone, 'attention')}"]
        overrides += ["model.pretrained=false"] if scale.backbone in HEADS else []  # there are none of it
    if scale.epochs is not None:
        start = max(1, round(base.training.schedule_start * scale.epochs / base.training.epochs))
        overrides += [f"training.epochs={scale.epochs}", f"training.schedule_start={start}"]
    return overrides
