"""All stored results under a folder, sorted into set-ups whose numbers may be compared with each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import log
from pathlib import Path
from typing import Any

from tenuto.errors import UsageError
from tenuto.experiments.claims import Pair, Quantity
from tenuto.experiments.curve_files import read_curves
from tenuto.experiments.grid import Cell, Column, cell_of
from tenuto.experiments.protocols import protocol
from tenuto.experiments.statistics import Difference, bootstrap, paired
from tenuto.experiments.store import Store

PARTS: dict[str, tuple[str, Any, Any]] = {  # variant without a part -> setting, its usual value, without it
    "no-guide": ("training.guide_weight", 1.0, 0.0),
    "no-encoding": ("frontend.encoding", "sinusoidal", "none"),
    "no-max": ("frontend.max", True, False),
    "no-algorithm1": ("frontend.algorithm1", True, False),
}
DILATION = "frontend.dilation"  # usually 1
OF_COLUMNS = {  # settings in which the columns of a table differ
    "frontend.resolution", "frontend.fps", "frontend.hop_length", "frontend.n_kept", "data.clip_seconds",
}  # fmt: skip
Key = tuple[str, int]  # fold, seed


@dataclass(frozen=True)
class Stored:
    """A folder of results: what was stored there, and of which kind."""

    folder: Path
    kind: str  # "table", "few clips" or "other"
    records: tuple[Mapping[str, Any], ...]


@dataclass
class Setup:
    """Results of one data set whose settings agree in all but what columns differ in."""

    data: str
    settings: dict[str, Any]
    results: dict[Column, dict[Key, tuple[Path, Mapping[str, Any]]]] = field(default_factory=dict)
    tests: dict[tuple[str, str], Any] = field(default_factory=dict)  # fold, length -> what is tested on
    label: str = ""  # what tells it apart from others of the same data

    @property
    def title(self) -> str:
        """The data set, and what tells this set-up apart where there are several."""
        return protocol(self.data).title + (f" ({self.label})" if self.label else "")

    @property
    def lengths(self) -> list[str]:
        """The kinds of length that were run."""
        return sorted({column.length for column in self.results})

    def takes(self, cell: Cell, settings: Mapping[str, Any], tested: Any) -> bool:
        """Whether a result may be compared with those here; settings that one side does not know are not compared."""
        same = all(settings.get(key, value) == value for key, value in self.settings.items())
        return cell.data == self.data and same and self.tests.get((cell.fold, cell.length), tested) == tested

    def has(self, pair: Pair) -> bool:
        """Whether a fold and seed of the pair was run on both sides."""
        return bool(self.results.get(pair.first, {}).keys() & self.results.get(pair.second, {}).keys())

    def values(self, column: Column, quantity: Quantity) -> dict[Key, float]:
        """(fold, seed) -> the quantity, more of which is better; without results that do not have it."""
        found = self.results.get(column, {})
        values = {key: value_of(folder, record, quantity) for key, (folder, record) in found.items()}
        return {key: value for key, value in values.items() if value is not None}

    def difference(self, pair: Pair, quantity: Quantity) -> Difference | None:
        """First minus second, paired by fold and seed; None without a pair."""
        return bootstrap(paired(self.values(pair.first, quantity), self.values(pair.second, quantity)))

    def frames_ratio(self, pair: Pair) -> float:
        """Frames that reach the classifier, first over second, on the folds and seeds of both."""
        first, second = self.results[pair.first], self.results[pair.second]
        keys = first.keys() & second.keys()
        frames = [sum(float(side[key][1]["kept_frames"]) for key in keys) for side in (first, second)]
        return frames[0] / frames[1]


def value_of(folder: Path, record: Mapping[str, Any], quantity: Quantity) -> float | None:
    """A quantity of one result, so that more is better: of training seconds it is minus the logarithm."""
    if quantity == "score":
        return float(record["score"])
    if quantity == "training time":
        seconds = record.get("found", {}).get("training_seconds", record["cell_seconds"])
        return -log(seconds) if seconds > 0 else None
    return _activeness(folder, record, quantity.removeprefix("activeness by "))


def _activeness(folder: Path, record: Mapping[str, Any], normalizer: str) -> float | None:
    """The activeness of the last epoch, from the curves that are kept beside the cells; None where there are none."""
    name = cell_of(record).name
    curve = read_curves(folder, name) if (folder / "curves" / f"{name}.csv").is_file() else None
    if curve is None:
        return None
    from tenuto.experiments.curves import Quantity as Curved  # matplotlib

    values = Curved("activeness", normalizer).of(curve, record)
    return None if values is None else float(values[-1])


def read_stores(root: Path) -> list[Stored]:
    """Every folder with `cells/` in it: the root, those in it, and those in these.

    Raises:
        UsageError: there is no such folder, or no results are in it
    """
    if not root.is_dir():
        raise UsageError(f"{root}: no such folder; a folder with results of 'tenuto reproduce' in it is wanted")
    folders = sorted(path.parent for depth in ("", "*/", "*/*/") for path in root.glob(f"{depth}cells"))
    stores = [_read_store(folder) for folder in folders]
    stores = [store for store in stores if store.records]
    if not stores:
        raise UsageError(f"{root} holds no results yet: fill it with 'tenuto reproduce table1 --out {root}/NAME'")
    return stores


def _read_store(folder: Path) -> Stored:
    store = Store(folder)
    records = tuple(store.read(name) for name in store.names())
    cells = [record.get("cell", {}) for record in records]
    table = all({"data", "method", "fps", "fold", "seed"} <= cell.keys() for cell in cells)
    few = all({"data", "model", "compression", "n", "repeat"} <= cell.keys() for cell in cells)
    return Stored(folder, "table" if table else "few clips" if few else "other", records)


def setups_of(stores: Iterable[Stored]) -> list[Setup]:
    """The set-ups that the tables' results belong to, by data set; of a result that is there twice the first."""
    setups: list[Setup] = []
    for store in stores:
        for record in store.records if store.kind == "table" else ():
            _sort_in(setups, store.folder, record)
    setups.sort(key=lambda setup: setup.data)
    for setup in setups:
        alike = [other for other in setups if other.data == setup.data]
        setup.label = _told_apart(setup, alike)
    return setups


def _sort_in(setups: list[Setup], folder: Path, record: Mapping[str, Any]) -> None:
    """Puts a result into the first set-up that takes it, or into a new one."""
    cell, column = cell_of(record), column_of(record)
    settings = _settings(record["recipe"])
    tested = (record.get("found", {}).get("test_clips"), record["recipe"].get("data.clip_seconds"))
    setup = next((each for each in setups if each.takes(cell, settings, tested)), None)
    if setup is None:
        setup = Setup(cell.data, {})
        setups.append(setup)
    setup.settings |= settings
    setup.tests[cell.fold, cell.length] = tested
    setup.results.setdefault(column, {}).setdefault((cell.fold, cell.seed), (folder, record))


def column_of(record: Mapping[str, Any]) -> Column:
    """A result's column; what a setting left out of DiffRes, or its dilation, is its variant as if it were named so."""
    column = cell_of(record).column
    if column.method != "diffres" or column.variant not in ("", *PARTS):
        return column
    recipe = record["recipe"]
    without = [name for name, (key, usual, off) in PARTS.items() if recipe.get(key, usual) == off]
    dilation = recipe.get(DILATION, 1)
    return replace(column, variant="+".join([*without, *([f"dilation={dilation}"] if dilation != 1 else [])]))


def _settings(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What must agree between results that are compared; what makes a variant counts as if it were as usual."""
    usual = {key: usual for key, usual, off in PARTS.values() if recipe.get(key, usual) == off} | {DILATION: 1}
    return {key: usual.get(key, value) for key, value in recipe.items() if key not in OF_COLUMNS}


def _told_apart(setup: Setup, alike: list[Setup]) -> str:
    """The settings in which set-ups of one data set differ, or their number where these do not say it."""
    if len(alike) == 1:
        return ""
    keys = sorted({key for each in alike for key in each.settings})
    differing = [key for key in keys if len({repr(each.settings.get(key)) for each in alike}) > 1]
    told = ", ".join(f"{key.split('.')[-1]} {setup.settings.get(key)}" for key in differing)
    same = [each for each in alike if all(each.settings.get(k) == setup.settings.get(k) for k in differing)]
    number = f"set-up {alike.index(setup) + 1}"
    return told if told and len(same) == 1 else ", ".join(filter(None, (number, told)))
