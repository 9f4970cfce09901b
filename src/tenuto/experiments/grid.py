"""A grid of trainings, each done once: what a cell is, in which order, and the loop that works it off."""

from __future__ import annotations

import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Protocol

from tenuto.errors import UsageError, WorkError
from tenuto.experiments.store import Store
from tenuto.report.words import counted

Work = Callable[[Any], Mapping[str, Any]]  # of a cell of the grid
Say = Callable[[str], None]
POLL_SECONDS = 2.0  # between looks at cells that other processes work on


class AnyCell(Protocol):
    """What a grid needs of a cell: a dataclass of plain values with a name for files and progress lines."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def name(self) -> str:
        """Different for different cells."""


@dataclass(frozen=True)
class Column:
    """What a number in a table is of, whatever the data: all that its cells share but data, fold and seed.

    The defaults are Table 1's, so that cells stored before there were other tables read as what they are.
    """

    method: str
    fps: float  # frames a second that reach the classifier
    length: str = "fixed"  # all clips padded or cropped to one length; "own": each keeps its own
    hop_ms: float = 10.0  # of the spectrogram that time is reduced of
    variant: str = ""  # a named change of the recipe, see `variants`


@dataclass(frozen=True)
class Cell:
    """One training: data, method at so many frames a second, kind of length, fold and seed."""

    data: str
    method: str
    fps: float
    length: str
    fold: str  # "all" where the data has no folds
    seed: int
    hop_ms: float = 10.0
    variant: str = ""

    @property
    def name(self) -> str:
        """A name for files and progress lines; what is as in Table 1 is left out of it."""
        fold = re.sub(r"[^\w+-]", "_", self.fold)
        hop = "" if self.hop_ms == Column.hop_ms else f".{self.hop_ms:g}ms"
        variant = "." + re.sub(r"[^\w.+-]", "_", self.variant) if self.variant else ""
        return f"{self.data}.{self.length}.{self.method}.{self.fps:g}fps{hop}{variant}.{fold}.seed{self.seed}"

    @property
    def column(self) -> Column:
        """What of the cell does not depend on data, fold and seed."""
        return Column(self.method, self.fps, self.length, self.hop_ms, self.variant)

    @property
    def group(self) -> tuple[str, Column]:
        """What cells that differ in fold and seed alone share."""
        return (self.data, self.column)


def cell_of_column(data: str, column: Column, fold: str, seed: int) -> Cell:
    """The cell of a column on one data set, fold and seed."""
    return Cell(data, fold=fold, seed=seed, **asdict(column))


def cell_of(result: Mapping[str, Any]) -> Cell:
    """The cell that a stored result is of."""
    return Cell(**result["cell"])


@dataclass
class Outcome:
    """How working a grid off ended."""

    n_trained: int = 0
    n_found: int = 0
    failed: dict[str, str] = field(default_factory=dict)  # name -> reason


def check_recipes(cells: Sequence[AnyCell], store: Store, recipes: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuses a store whose results for these cells come from other settings.

    Settings that one side does not know (written by another version) are not compared.

    Args:
        recipes: the settings wanted for each cell's name
    Raises:
        UsageError: naming the first cell and setting that differ
    """
    for cell in cells:
        stored = store.read(cell.name)["recipe"] if store.has(cell.name) else {}
        for key, value in recipes[cell.name].items():
            if key in stored and stored[key] != value:
                raise UsageError(
                    f"{store.folder} holds {cell.name} made with {key} = {stored[key]!r}, now {value!r} "
                    f"is asked for: give another folder with --out, or the same settings as before"
                )


def check_clips_are_the_same(cells: Sequence[AnyCell], store: Store, clips: Mapping[str, str]) -> None:
    """Refuses a store whose results for these cells come from other clips under the same name.

    Results of a version that did not note their clips are not compared.

    Args:
        clips: the fingerprint of the data for each cell's name
    Raises:
        UsageError: naming the first cell
    """
    for cell in cells:
        stored = store.read(cell.name).get("clips") if store.has(cell.name) else None
        if stored not in (None, clips[cell.name]):
            raise UsageError(
                f"{store.folder} holds {cell.name} of other data under the same name (files, labels, folds or parts "
                "came, went or changed since): give another folder with --out, or the data as it was"
            )


def run_grid(cells: Sequence[AnyCell], store: Store, work: Work, say: Say | None = None) -> Outcome:
    """Works off the cells that the store does not hold, in order; notes and passes over those that fail.

    Cells that another process has claimed are left to it, and taken over should it die. An earlier call's
    failures are tried again.

    Args:
        work: makes the result of a cell: a dict with `metric` and `score` (0 to 1) among others
        say: prints one line; to the standard error stream by default
    """
    run = _Run(cells, store, work, say or to_stderr)
    waiting = [cell for cell in cells if not store.has(cell.name)]
    told = False
    while waiting:
        held = [cell for cell in waiting if not run.settle(cell)]
        waiting = [cell for cell in held if not store.has(cell.name)]  # most were finished while we went on
        if waiting and not told:
            run.say(f"waiting for {counted(len(waiting), 'cell')} that other processes work on")
            told = True
        if waiting:
            time.sleep(POLL_SECONDS)
    return run.outcome


class _Run:
    """One process's work on a grid."""

    def __init__(self, cells: Sequence[AnyCell], store: Store, work: Work, say: Say) -> None:
        self.cells, self.store, self.work, self.say = cells, store, work, say
        self.started = time.time()
        self.outcome = Outcome(n_found=self.n_done())

    def n_done(self) -> int:
        """Cells that the store holds, whoever made them."""
        return sum(self.store.has(cell.name) for cell in self.cells)

    def settle(self, cell: AnyCell) -> bool:
        """Does a cell unless it is done or has failed; False where another process is at it."""
        if self.store.has(cell.name):
            return True
        with self.store.claim(cell.name) as mine:
            if not mine:
                return self.store.has(cell.name)
            if self.store.has(cell.name):  # done between the look and the claim
                return True
            if self.store.failed_since(cell.name, self.started):
                self.outcome.failed.setdefault(cell.name, "failed in another process")
                return True
            self._do(cell)
        return True

    def _do(self, cell: AnyCell) -> None:
        """Makes and stores the result of a cell, or the reason why there is none."""
        self.say(f"grid {self.n_done()}/{len(self.cells)} · {cell.name} · started")
        began = time.monotonic()
        try:
            result = self.work(cell)
        except Exception as error:  # whatever one cell dies of must not stop the others
            self._note_failure(cell, error)
            return
        seconds = round(time.monotonic() - began, 1)
        self.store.write(cell.name, {"cell": asdict(cell), **result, "cell_seconds": seconds})
        self.outcome.n_trained += 1
        self.say(self._progress(cell, f"{result['metric']} {100 * result['score']:.1f} %"))

    def _note_failure(self, cell: AnyCell, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        trace = "".join(traceback.format_exception(error))
        self.store.write_failure(cell.name, {"cell": asdict(cell), "reason": reason, "traceback": trace})
        self.outcome.failed[cell.name] = reason
        self.say(self._progress(cell, f"FAILED: {reason}"))

    def _progress(self, cell: AnyCell, news: str) -> str:
        """Position, cell, its news, and the time left at the pace of all processes since this one began."""
        n_done = self.n_done()
        n_failed = len(self.outcome.failed)
        pace = (time.time() - self.started) / max(1, n_done - self.outcome.n_found + n_failed)
        left = duration(pace * (len(self.cells) - n_done - n_failed))
        return f"grid {n_done}/{len(self.cells)} · {cell.name} · {news} · {left} left"


def raise_if_nothing_worked(outcome: Outcome) -> None:
    """Raises WorkError where every cell failed."""
    if outcome.failed and not outcome.n_trained and not outcome.n_found:
        name, reason = next(iter(outcome.failed.items()))
        n_failed = len(outcome.failed)
        told = f"all {n_failed} cells failed, the first ({name})" if n_failed > 1 else f"the only cell ({name}) failed"
        raise WorkError(f"{told} with: {reason}")


def duration(seconds: float) -> str:
    """Seconds as a person says them: 40 s, 12 min, 3 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def to_stderr(line: str) -> None:
    """Says a line where nobody else is there to say it."""
    print(line, file=sys.stderr, flush=True)
