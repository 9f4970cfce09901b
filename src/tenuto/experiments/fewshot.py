"""The post's few-data laboratory: n clips a class by lot, any models and compressions, done cell by cell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenuto.data.clips import Clip, ClipTable
from tenuto.data.identity import fingerprint
from tenuto.data.sets import find_clips
from tenuto.errors import UsageError, WorkError
from tenuto.experiments.circumstances import circumstances, shown_path
from tenuto.experiments.fewshot_draws import draw, n_smallest, parts_of, seed_of
from tenuto.experiments.fewshot_energies import Energies, default_cache, load_energies, refuse_several_labels
from tenuto.experiments.fewshot_page import write_page
from tenuto.experiments.fewshot_settings import (
    POST_COMPRESSIONS,
    POST_MODELS,
    POST_SIZES,
    FewshotCell,
    FewshotSettings,
    cells_of,
    check_choices,
    short_settings,
)
from tenuto.experiments.grid import check_clips_are_the_same, check_recipes, raise_if_nothing_worked, run_grid
from tenuto.experiments.protocols import choose_folds
from tenuto.experiments.store import Store
from tenuto.report.words import counted

Say = Callable[[str], None]
SHORT_SECONDS = 1.0  # data whose middle clip is shorter gets `short_settings`
N_PROBED = 101  # clips whose length is looked at for that


@dataclass(frozen=True)
class FewshotPlan:
    """What is asked for.

    Args:
        sources: folders or CSVs of data sets; none: only the page is made, of what `out` holds.
        folds: None: all.
        repeats: draws a fold and n; None: the post's 20, 10 or 5.
        changes: fields of `FewshotSettings` that are not to be the data's own.
        cache: folder of energies; None: `default_cache`.
        threads: CPU threads; None: what the environment gives.
    Raises:
        UsageError: see `check_choices`.
    """

    sources: tuple[Path, ...]
    out: Path
    sizes: tuple[int, ...] = POST_SIZES
    models: tuple[str, ...] = POST_MODELS
    compressions: tuple[str, ...] = POST_COMPRESSIONS
    folds: tuple[str, ...] | None = None
    repeats: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    cache: Path | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        check_choices(self.models, self.compressions, self.sizes, self.repeats)

    @property
    def command(self) -> str:
        """The command that asks for this, without folders of this machine."""
        words = ["tenuto", "fewshot", *map(shown_path, self.sources), "--n", ",".join(map(str, self.sizes))]
        words += ["--models", ",".join(self.models), "--compressions", ",".join(self.compressions)]
        words += [] if self.folds is None else ["--folds", ",".join(self.folds)]
        words += [] if self.repeats is None else ["--repeats", str(self.repeats)]
        for name, value in self.changes.items():
            option = f"--{OPTIONS.get(name, name).replace('_', '-')}"
            words += [option] if value is True else [option, str(value)]
        return shlex.join([*words, "--out", shown_path(self.out)])


OPTIONS = {"n_mels": "bands", "n_frames": "frames", "hop_length": "hop", "win_length": "window"}  # field: option


def fewshot(plan: FewshotPlan, say: Say) -> dict[str, Any]:
    """Works off what is asked for and not done yet; writes and returns the tables of all that `plan.out` holds.

    Returns:
        text (the page), rows, differences (for JSON), notes, failed (name -> reason), left_out, files
    Raises:
        UsageError: the plan does not fit the data, or the folder holds results of other settings
        WorkError: every cell failed, or no clip can be used
    """
    _set_threads(plan.threads)
    store = Store(plan.out)
    if not plan.sources and not store.names():
        raise UsageError(f"{plan.out} holds no results yet: name the data, as in tenuto fewshot FSDD/")
    data = [_FewshotData(plan, source, say) for source in plan.sources]
    if len({each.name for each in data}) < len(data):
        raise UsageError("two of the data sets have one name: give each its own --out")
    by_name = {each.name: each for each in data}
    cells = sorted((cell for each in data for cell in each.cells), key=lambda cell: cell.repeat)  # stable
    check_recipes(cells, store, {cell.name: by_name[cell.data].kept_settings for cell in cells})
    check_clips_are_the_same(cells, store, {cell.name: by_name[cell.data].clips for cell in cells})

    around = {"command": plan.command, **circumstances()} if cells else {}

    def work(cell: FewshotCell) -> dict[str, Any]:
        return {**by_name[cell.data].train(cell), **around}

    outcome = run_grid(cells, store, work, say)
    records = [store.read(name) for name in store.names()]
    left_out = [f"{each.name}: {path}: {reason}" for each in data for path, reason in each.energies.left_out]
    page = write_page(records, cells, outcome.failed, plan.out, left_out)
    raise_if_nothing_worked(outcome)
    return page


def settings_for(table: ClipTable, changes: Mapping[str, Any]) -> FewshotSettings:
    """The published settings, those for short clips where the middle clip is below a second; then the changes.

    Another sample rate keeps window and hop the same time, unless they are changed too.
    """
    seconds, native_rate = _probed(table.clips)
    base = short_settings(native_rate) if seconds < SHORT_SECONDS else {}
    if "sample_rate" in changes and base:
        base = short_settings(changes["sample_rate"])
    elif "sample_rate" in changes:
        n_window = round(FewshotSettings.win_length * changes["sample_rate"] / FewshotSettings.sample_rate)
        base = {"n_fft": 1 << (n_window - 1).bit_length(), "win_length": n_window, "hop_length": n_window}
    if "win_length" in changes:
        base["n_fft"] = 1 << (changes["win_length"] - 1).bit_length()
    return FewshotSettings(**{**base, **changes})


def _probed(clips: Sequence[Clip]) -> tuple[float, int]:
    """The middle length in seconds and the middle sample rate in Hz of clips spread over the table."""
    from tenuto.data.audio import AudioError, facts

    found = []
    for clip in clips[:: max(1, len(clips) // N_PROBED)]:
        try:
            found.append(facts(clip.path))
        except AudioError:
            continue  # the check will name it
    if not found:
        raise WorkError("none of the first clips can be read: see tenuto data check")
    return float(np.median([each.seconds for each in found])), int(np.median([each.sample_rate for each in found]))


class _FewshotData:
    """One data set of the grid, its energies and its cells."""

    def __init__(self, plan: FewshotPlan, source: Path, say: Say) -> None:
        table = find_clips(source)
        refuse_several_labels(table)
        self.name = re.sub(r"[^\w+-]", "_", table.name)
        self.clips = fingerprint(table)
        self.folds = choose_folds(table, plan.folds)
        self.settings = settings_for(table, plan.changes)
        self.energies: Energies = load_energies(table, self.settings.frontend(), plan.cache or default_cache(), say)
        if self.energies.left_out:
            say(f"{self.name}: {counted(len(self.energies.left_out), 'clip')} left out (the page names them)")
        self.parts = {fold: parts_of(self.energies.table, fold) for fold in self.folds}
        sizes = self._possible(plan.sizes, say)
        self.cells = cells_of(self.name, self.folds, sizes, plan.repeats, plan.models, plan.compressions)
        say(f"{self.name}: {counted(len(self.cells), 'training')}, {self.settings.told()}")

    @property
    def kept_settings(self) -> dict[str, Any]:
        """What decides a result besides the cell."""
        return asdict(self.settings)

    def _possible(self, sizes: Sequence[int], say: Say) -> list[int]:
        """The numbers of clips that every class of every fold can give."""
        n_most = n_smallest(self.parts.values())
        possible = [n for n in sizes if n <= n_most]
        if not possible:
            raise UsageError(
                f"{self.name}: its smallest class has {counted(n_most, 'training clip')}: wanted --n up to that"
            )
        if len(possible) < len(sizes):
            left = ",".join(str(n) for n in sizes if n > n_most)
            say(f"{self.name}: n={left} left out, the smallest class of a fold has {counted(n_most, 'training clip')}")
        return possible

    def train(self, cell: FewshotCell) -> dict[str, Any]:
        """Draws, trains and tests one cell."""
        import torch

        from tenuto.experiments.fewshot_models import build_model, learned_compression
        from tenuto.experiments.fewshot_training import Labelled, accuracy, train

        parts = self.parts[cell.fold]
        drawn = draw(parts, self.energies.table, cell.n, cell.fold, cell.repeat, self.settings.seed)
        seed = seed_of(self.settings.seed, cell.n, cell.fold, cell.repeat)
        torch.manual_seed(seed)
        model = build_model(cell.model, cell.compression, len(parts.labels), self.settings)
        losses = train(model, Labelled(self.energies.clips, *self._labelled(drawn, parts.labels)), self.settings, seed)
        test = Labelled(self.energies.clips, *self._labelled(parts.test, parts.labels))
        return {
            "metric": "accuracy",
            "score": accuracy(model, test, self.settings),
            "n_classes": len(parts.labels),
            "n_test": len(parts.test),
            "draw": [self.energies.table.shown(clip.path) for clip in drawn],
            "draw_seed": seed,
            "epochs": len(losses),
            "losses": " ".join(f"{loss:.4g}" for loss in losses),
            **learned_compression(model),
            "n_parameters": sum(weight.numel() for weight in model.parameters()),
            "clips": self.clips,
            "recipe": self.kept_settings,
        }

    def _labelled(self, clips: tuple[Clip, ...], labels: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        position = {label: index for index, label in enumerate(labels)}
        return self.energies.indices(clips), np.array([position[clip.labels[0]] for clip in clips], np.int64)


def _set_threads(threads: int | None) -> None:
    import torch

    if threads is not None:
        if threads < 1:
            raise UsageError(f"--threads {threads}: wanted at least 1")
        torch.set_num_threads(threads)
