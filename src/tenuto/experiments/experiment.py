"""What a table of the paper is, as data: its columns, its baseline, and the paper's numbers. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tenuto.errors import UsageError
from tenuto.experiments.grid import Column
from tenuto.experiments.paper import Printed
from tenuto.models.settings import unknown_name

FULL_FPS = 100.0  # of the log-mel: a hop of 10 ms
HOP_MS = Column.hop_ms


@dataclass(frozen=True)
class System:
    """One of the things that a table compares; what is None is as the plan asks for."""

    name: str  # as --methods has it
    head: str  # as the table has it
    method: str
    variant: str = ""
    fps: float | None = None
    hop_ms: float | None = None
    length: str | None = None

    def is_of(self, column: Column) -> bool:
        """Whether the column is of this system, at whatever frame rate and hop it leaves open."""
        same = (self.method, self.variant) == (column.method, column.variant)
        fixed = ((self.fps, column.fps), (self.length, column.length), (self.hop_ms, column.hop_ms))
        return same and all(own is None or own == other for own, other in fixed)

    def like(self, column: Column) -> Column:
        """The column of this system that is like another one in what the system leaves open."""
        return Column(
            self.method,
            column.fps if self.fps is None else self.fps,
            self.length or column.length,
            column.hop_ms if self.hop_ms is None else self.hop_ms,
            self.variant,
        )


LOGMEL = System("logmel", "Log-mel", "logmel", fps=FULL_FPS, hop_ms=HOP_MS)
DIFFRES = System("diffres", "DiffRes (proposed)", "diffres")


@dataclass(frozen=True)
class Parameter:
    """A number whose values a sweep compares, as systems "NAME=VALUE" of DiffRes."""

    name: str
    symbol: str
    usual: float  # the paper's, which needs no variant


@dataclass(frozen=True)
class Experiment:
    """One table: which systems at which frame rates and hops, against which baseline.

    Args:
        name: of the command and of the files
        systems: the first is the baseline that marks and differences refer to
        chosen: systems that are run when none is named; all by default
        reference: a second system that those of DiffRes are paired with, besides the baseline
        head: the head of a column in the paper's layout
        row: what tells the rows of a data set and length apart in the paper's layout
        printed: the paper's number for a data set of the paper, a system and a column
        settings: overrides of the recipes ("section.key=value") for a data set of the paper (None: none of them)
        hop_of: the hop in ms of systems that leave it open, for a data set of the paper
        in_paper: backbone and weights of the paper's experiment
        auc_of: data sets of the paper whose metric is AUC
        own: which columns are of this table alone, where others that share its folder have the rest as well
        across_hops: whether a row goes over hops, and not over systems
        timed: whether training seconds are compared as well
        averaged: whether a last row has the means over tasks
        parameters: the paper's counts of the front ends' parameters by system, where they are shown
        curves: what is drawn over training: "guide_loss", "activeness", "metric"
        compute: whether scores are drawn over what the models compute
        table: whether scores are shown as a table
        store: whose folder of results it shares by default; its own where empty
    """

    name: str
    title: str
    help: str
    caption: str
    systems: tuple[System, ...]
    baseline_head: str
    fps: tuple[float, ...]
    hops: tuple[float, ...] = (HOP_MS,)
    chosen: tuple[str, ...] | None = None
    reference: str | None = None
    head: Callable[[System, Column], str] = lambda system, column: system.head
    row: Callable[[System, Column], Mapping[str, str]] = lambda system, column: {"FPS": f"{column.fps:g}"}
    printed: Callable[[str, System, Column], Printed | None] = lambda paper_set, system, column: None
    settings: Callable[[str | None, str], Sequence[str]] = lambda paper_set, variant: ()
    hop_of: Mapping[str, float] = field(default_factory=dict)
    in_paper: str = "EfficientNet-B2, ImageNet weights"
    auc_of: tuple[str, ...] = ()
    parameter: Parameter | None = None
    own: Callable[[Column], bool] | None = None
    across_hops: bool = False
    timed: bool = False
    averaged: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)
    curves: tuple[str, ...] = ()
    compute: bool = False
    table: bool = True
    store: str = ""
    notes: tuple[str, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """The systems that are run when none is named."""
        return self.chosen or tuple(system.name for system in self.systems)

    @property
    def baseline(self) -> System:
        """The system that marks refer to."""
        return self.systems[0]

    def system(self, name: str) -> System:
        """The system called `name`; a sweep has one for every number."""
        for system in self.systems:
            if system.name == name:
                return system
        swept = self._swept(name)
        if swept is None:
            names = [system.name for system in self.systems]
            raise UsageError(unknown_name(name, names + self._example(), "method"))
        return swept

    def system_of(self, column: Column) -> System | None:
        """The system that a stored column is of, None where the table has none such."""
        for system in self.systems:
            if system.is_of(column):
                return system
        if self.parameter is None or column.method != DIFFRES.method:
            return None
        return self._swept(column.variant or f"{self.parameter.name}={self.parameter.usual:g}")

    def covered(self, columns: Sequence[Column]) -> set[Column]:
        """Which stored columns belong into the table even if they were not asked for this time.

        Of what other tables have too, the log-mel, and what is to be compared with a column of this table's own.
        """
        any_hop = self.hops != (HOP_MS,)  # otherwise the table does not speak of hops
        known = [c for c in columns if self.system_of(c) is not None and (any_hop or c.hop_ms == HOP_MS)]
        if self.own is None:
            return set(known)
        own = {self._place(column) for column in known if self.own(column)}
        return {column for column in known if self._at_its_own_rate(column) or self._place(column) in own}

    def _at_its_own_rate(self, column: Column) -> bool:
        """Whether a column is of a system with a frame rate of its own, which stands beside all others."""
        system = self.system_of(column)
        return system is not None and system.fps is not None

    def _place(self, column: Column) -> tuple[float, float]:
        """Where columns are compared with each other."""
        return column.fps, 0.0 if self.across_hops else column.hop_ms

    def usual_columns(self, like: Column) -> list[Column]:
        """What stands in one row with a column, the baseline left out: other systems, or other hops of its own."""
        if like == self.baseline.like(like) and self.baseline.fps is not None:
            like = replace(like, fps=self.fps[0], hop_ms=max(self.hops))  # it stands in any row: in the first
        if not self.across_hops:
            systems = [self.system(name) for name in self.methods]
            return [system.like(like) for system in systems if system != self.baseline]
        system = self.system_of(like)
        system = self.system(self.methods[-1]) if system in (None, self.baseline) else system
        assert system is not None
        return [replace(system.like(like), hop_ms=hop_ms) for hop_ms in self.hops if like.fps < 1000 / hop_ms]

    def position(self, column: Column) -> tuple[str, bool, float, float, float]:
        """Columns in a reader's order: length, the baseline, frame rate, hop from long to short, system."""
        system = self.system_of(column)
        assert system is not None
        index = self.systems.index(system) if system in self.systems else len(self.systems)
        value = float(system.name.partition("=")[2]) if self.parameter and "=" in system.name else float(index)
        return column.length, system != self.baseline, column.fps, -column.hop_ms, value

    def _swept(self, name: str) -> System | None:
        """The system "NAME=VALUE" of a sweep."""
        if self.parameter is None or name.partition("=")[0] != self.parameter.name:
            return None
        try:
            value = float(name.partition("=")[2])
        except ValueError:
            return None
        variant = "" if value == self.parameter.usual else f"{self.parameter.name}={value:g}"
        return System(f"{self.parameter.name}={value:g}", f"{self.parameter.symbol} = {value:g}", "diffres", variant)

    def _example(self) -> list[str]:
        return [f"{self.parameter.name}=NUMBER"] if self.parameter else []
