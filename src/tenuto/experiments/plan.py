"""What of a table is asked for, and which cells that makes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tenuto.errors import UsageError
from tenuto.experiments.circumstances import shown_path
from tenuto.experiments.experiment import Experiment, System
from tenuto.experiments.grid import Cell, Column, cell_of_column
from tenuto.experiments.protocols import LENGTHS, Scale, protocol
from tenuto.models.settings import unknown_name

ORDERS = ("seed-major", "cell-major")


@dataclass(frozen=True)
class Plan:
    """What of a table is asked for; None is the experiment's own choice.

    Args:
        data: name -> folder; a name that `protocols.PROTOCOLS` has brings its recipe and the paper's numbers
        order: "seed-major": one seed of every cell first; "cell-major": all seeds of a cell first
        folds: None: all
        threads: CPU threads of a training; None: what the environment gives
    Raises:
        UsageError: an unknown method, length or order, a frame rate or hop that is none, nothing to do
    """

    experiment: Experiment
    data: Mapping[str, Path]
    out: Path
    methods: tuple[str, ...] | None = None
    fps: tuple[float, ...] | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    folds: tuple[str, ...] | None = None
    lengths: tuple[str, ...] = ("fixed",)
    order: str = "seed-major"
    scale: Scale = field(default_factory=Scale)
    threads: int | None = None
    hops: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        systems = self.systems  # refuses unknown ones
        for kind, given, known in (("length", self.lengths, LENGTHS), ("order", [self.order], ORDERS)):
            for name in given:
                if name not in known:
                    raise UsageError(unknown_name(name, list(known), kind))
        for hop_ms in self.hops or ():
            if not 0 < hop_ms <= 10:
                raise UsageError(f"hop {hop_ms:g}: wanted milliseconds above 0 and up to 10, such as 10,6,3,1")
        for option, asked, kind in (("fps", self.fps, "fps"), ("hops", self.hops, "hop_ms")):
            if asked is not None and not self._leaves_open(kind):
                raise UsageError(f"{option}: each method of {self.experiment.name} has its own")
        self._check_fps()
        if not (systems and self.lengths and self.seeds):
            raise UsageError("nothing to do: name at least one method, length, seed and frame rate")
        if not any(self.columns(data) for data in self.data or ("",)):
            rates = ", ".join(f"{fps:g}" for fps in self._fps) or "none"
            raise UsageError(f"nothing to do: fps {rates} is every frame there is; name lower ones, or smaller --hops")
        if self.lengths != LENGTHS[:1] and all(system.length for system in systems):
            raise UsageError(f"length {','.join(self.lengths)}: each method of {self.experiment.name} has its own")

    @property
    def systems(self) -> tuple[System, ...]:
        """The systems asked for."""
        names = self.experiment.methods if self.methods is None else self.methods
        return tuple(self.experiment.system(name) for name in names)

    def columns(self, data: str) -> list[Column]:
        """The columns of a data set, in order; none twice, and none that would keep as many frames as there are."""
        found: list[Column] = []
        for length in self.lengths:
            for system in self.systems:
                hops = self._hops(data) if system.hop_ms is None else (system.hop_ms,)
                for hop_ms in hops:
                    rates = self._fps if system.fps is None else (system.fps,)
                    found += [
                        Column(system.method, fps, system.length or length, hop_ms, system.variant)
                        for fps in rates
                        if system.fps is not None or fps < 1000 / hop_ms
                    ]
        return list(dict.fromkeys(found))

    def _leaves_open(self, option: str) -> bool:
        """Whether "fps" or "hop_ms" of any system of the experiment is as the plan asks for."""
        return any(getattr(system, option) is None for system in self.experiment.systems)

    def _hops(self, data: str) -> tuple[float, ...]:
        if self.hops is not None:
            return self.hops
        own = self.experiment.hop_of.get(protocol(data).paper_set or "")
        return self.experiment.hops if own is None else (own,)

    @property
    def _fps(self) -> tuple[float, ...]:
        return self.experiment.fps if self.fps is None else self.fps

    def _check_fps(self) -> None:
        hops = self.hops or (*self.experiment.hops, *self.experiment.hop_of.values())
        full = 1000 / min(hops)
        for fps in self.fps or ():
            if not 0 < fps < full:
                other = "the log-mel itself" if full == 100 else f"all frames at a hop of {min(hops):g} ms"
                raise UsageError(f"fps {fps:g}: wanted above 0 and below {full:g}, which is {other}")

    @property
    def command(self) -> str:
        """The command that asks for this, without folders of this machine."""
        words = ["tenuto", "reproduce", self.experiment.name]
        for name, root in self.data.items():
            words += ["--data", f"{name}={shown_path(root)}"]
        words += ["--methods", ",".join(system.name for system in self.systems)]
        rates = self._fps if self._leaves_open("fps") else ()
        words += ["--fps", ",".join(f"{fps:g}" for fps in rates)] if rates else []
        words += ["--hops", ",".join(f"{hop:g}" for hop in self.hops)] if self.hops else []
        words += ["--seeds", ",".join(map(str, self.seeds)), "--length", ",".join(self.lengths)]
        options = {
            "--folds": self.folds and ",".join(self.folds),
            "--order": self.order,
            "--threads": self.threads,
            "--backbone": self.scale.backbone,
            "--epochs": self.scale.epochs,
            "--limit": self.scale.limit,
        }
        for option, value in options.items():
            words += [] if value is None else [option, str(value)]
        return shlex.join([*words, "--out", shown_path(self.out), *self.scale.overrides])


def cells_of(plan: Plan, folds: Mapping[str, Sequence[str]]) -> list[Cell]:
    """Every cell of the plan in its order."""
    cells = [
        cell_of_column(name, column, fold, seed)
        for seed in plan.seeds
        for name in plan.data
        for column in plan.columns(name)
        for fold in folds[name]
    ]
    if plan.order == "cell-major":
        position = {cell.group: i for i, cell in reversed(list(enumerate(cells)))}
        cells.sort(key=lambda cell: position[cell.group])  # stable: seeds, then folds, stay in order
    return cells
