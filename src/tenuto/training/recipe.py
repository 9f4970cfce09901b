"""The typed recipe of a training: one default a field, read alike by Python, YAML and the command line. No torch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from tenuto.errors import UsageError
from tenuto.files import write_text
from tenuto.models.settings import FrontendSettings, ModelSettings, settings_from_dict, unknown_name

PACKAGE = Path(__file__).resolve().parents[1]
RECIPE_FOLDERS = (PACKAGE / "recipes", PACKAGE.parents[1] / "recipes")  # installed, or a checkout
# Resuming may change these.
MACHINE_KEYS = ("training.threads", "training.device", "data.workers", "data.cache_mb", "data.cache")


@dataclass(frozen=True)
class DataSettings:
    """What of the clips is heard, and how they are put into batches."""

    clip_seconds: float | None = None  # crop or zero-pad every clip to this; None: each its own length
    batch_size: int = 32
    valid_share: float = 0.1  # of the training part, set aside to choose the model
    balanced: bool = False  # draw classes equally often
    bucketed: bool = True  # batches of clips of similar length, where lengths differ
    mixup: float = 0.0  # probability that a training clip is mixed with another
    n_way: int | None = None  # classes of an episode, with model.head=prototypes, whose batches are episodes; None: all
    n_support: int = 5  # clips a class of an episode that make its prototype
    n_query: int = 5  # clips a class of an episode that are to find it
    workers: int | None = None  # processes that make batches, at most one a processor; None: as many as seem best
    cache_mb: int = 1024  # decoded audio is kept in memory up to this size
    cache: str | None = None  # folder for decoded audio instead, which any number of trainings share
    cache_format: Literal["float32", "int16"] = "float32"  # of `cache`; int16: half the size, rounded to 16 bits

    def __post_init__(self) -> None:
        _check(self.clip_seconds is None or self.clip_seconds > 0, "clip_seconds", self.clip_seconds, "above 0")
        _check(self.batch_size > 0, "batch_size", self.batch_size, "above 0")
        _check(0 <= self.valid_share < 1, "valid_share", self.valid_share, "from 0 to below 1")
        _check(0 <= self.mixup <= 1, "mixup", self.mixup, "a probability from 0 to 1")
        _check(self.n_way is None or self.n_way > 1, "n_way", self.n_way, "2 or more, or null for all classes")
        _check(self.n_support > 0, "n_support", self.n_support, "above 0")
        _check(self.n_query > 0, "n_query", self.n_query, "above 0")
        _check(self.workers is None or self.workers >= 0, "workers", self.workers, "0 or more")
        _check(self.cache_mb >= 0, "cache_mb", self.cache_mb, "0 or more")


@dataclass(frozen=True)
class TrainingSettings:
    """Adam with the step schedule of the paper's Table 4, (start epoch, gamma, every n epochs)."""

    epochs: int = 30
    learning_rate: float = 1e-3
    schedule_start: int = 16  # the first epoch (counted from 1) at a lower rate
    schedule_gamma: float = 0.85  # factor at that epoch and at every `schedule_every`-th one after it
    schedule_every: int = 1
    weight_decay: float = 0.0
    loss: Literal["bce", "ce"] = "bce"  # ce: one label a clip
    guide_weight: float = 1.0  # of the guide loss, Eq. 7, beside the classification loss
    choose: Literal["best", "last"] = "best"  # the model of the epoch best on the validation part, or the last
    patience: int | None = None  # epochs without a better validation result before stopping; None: run them all
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    device: Literal["auto", "cpu", "gpu"] = "auto"
    threads: int | None = None  # CPU threads; None: what the environment gives (OMP_NUM_THREADS)

    def __post_init__(self) -> None:
        for name in ("epochs", "learning_rate", "schedule_start", "schedule_gamma", "schedule_every"):
            _check(getattr(self, name) > 0, name, getattr(self, name), "above 0")
        for name in ("weight_decay", "guide_weight"):
            _check(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        for name in ("patience", "threads"):
            _check(getattr(self, name) is None or getattr(self, name) > 0, name, getattr(self, name), "above 0")


@dataclass(frozen=True)
class Recipe:
    """All that decides a training but its data and its seed.

    Raises:
        UsageError: where settings do not fit each other.
    """

    frontend: FrontendSettings = field(default_factory=FrontendSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    data: DataSettings = field(default_factory=DataSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)

    def __post_init__(self) -> None:
        by_validation = self.training.choose == "best" or self.training.patience is not None
        if self.data.valid_share == 0 and by_validation:
            raise UsageError(
                "data.valid_share=0 leaves nothing to choose or to stop by: "
                "set training.choose=last and training.patience=null"
            )
        if self.model.head == "prototypes":
            self._check_episodes()

    def _check_episodes(self) -> None:
        if self.training.loss != "ce":
            raise UsageError(
                "model.head=prototypes is a softmax over distances, trained by cross entropy: set training.loss=ce"
            )
        if self.data.mixup:
            raise UsageError(
                f"data.mixup={self.data.mixup:g} leaves clips of two classes, which an episode cannot have: "
                "set data.mixup=0 with model.head=prototypes"
            )


def load_recipe(source: str | Path | None = None, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of a YAML file (or the name of one of tenuto's own), with "section.key=value" on top.

    "frontend.resolution=none" on top takes away the frames a second of the file, for it keeps them all.

    Raises:
        UsageError: for an unknown recipe, key or value, with the nearest valid ones.
    """
    values = {} if source is None else _read_yaml(find_recipe(source))
    for override in overrides:
        _set(values, override)
    named = {override.partition("=")[0].strip() for override in overrides}
    if "frontend.resolution" in named and values["frontend"]["resolution"] == "none" and "frontend.fps" not in named:
        values["frontend"].pop("fps", None)
    return settings_from_dict(Recipe, values)


def find_recipe(source: str | Path) -> Path:
    """The file of a recipe that is named or lies at `source`."""
    if Path(source).is_file():
        return Path(source)
    for folder in RECIPE_FOLDERS:
        if (folder / f"{source}.yaml").is_file():
            return folder / f"{source}.yaml"
    if Path(source).suffix in (".yaml", ".yml"):
        raise UsageError(f"recipe {source} does not exist")
    raise UsageError(unknown_name(str(source), recipe_names(), "recipe"))


def recipe_names() -> list[str]:
    """The recipes that come with tenuto."""
    return sorted({path.stem for folder in RECIPE_FOLDERS for path in folder.glob("*.yaml")})


def save_recipe(recipe: Recipe, path: str | Path) -> None:
    """Writes every setting of `recipe` as YAML, which `load_recipe` reads back."""
    write_text(path, yaml.safe_dump(asdict(recipe), sort_keys=False))


def flatten(recipe: Recipe) -> dict[str, Any]:
    """{"section.key": value} of every setting."""
    return {f"{section}.{key}": value for section, keys in asdict(recipe).items() for key, value in keys.items()}


def differing_keys(recipe: Recipe, other: Recipe) -> list[str]:
    """The settings that differ and bear on the result, as "section.key"."""
    theirs = flatten(other)
    return [key for key, value in flatten(recipe).items() if theirs[key] != value and key not in MACHINE_KEYS]


def check_seed(seed: int) -> None:
    """Raises UsageError for a seed that PyTorch or NumPy cannot take."""
    _check(0 <= seed < 2**63, "seed", seed, "from 0 to 9223372036854775807")


class _Loader(yaml.SafeLoader):
    """Plain YAML, where 1e-3 is a number too (YAML 1.1 asks for a point in it)."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _parse(text: str, what: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        raise UsageError(f"{what} is not YAML: {' '.join(str(error).split())}") from error


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"recipe {path} cannot be read: {error}") from error
    values = _parse(text, f"recipe {path}")
    if not isinstance(values, Mapping | None):
        raise UsageError(f"recipe {path} holds {values!r}, wanted sections: frontend, model, data, training")
    parts = {key: {} if part is None else part for key, part in (values or {}).items()}
    return {key: dict(part) if isinstance(part, Mapping) else part for key, part in parts.items()}


def _set(values: dict[str, Any], override: str) -> None:
    """Puts "section.key=value" into nested `values`."""
    name, equals, text = override.partition("=")
    section, dot, key = name.strip().partition(".")
    if not (equals and dot):
        raise UsageError(f"{override!r} is not a setting, wanted section.key=value such as training.epochs=3")
    part = values.setdefault(section, {})
    if not isinstance(part, dict):
        raise UsageError(f"{section}: got {part!r}, wanted settings (key: value)")
    part[key] = _parse(text, f"the value of {name}")


def _check(good: bool, name: str, value: object, wanted: str) -> None:
    if not good:
        raise UsageError(f"{name}={value!r}, wanted: {wanted}")
