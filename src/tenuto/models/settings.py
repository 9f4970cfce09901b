"""What a classifier is built from, as plain data. No torch here: a recipe is read and refused quickly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from tenuto.errors import UsageError

FilterbankName = Literal["mel", "leaf", "sincnet", "sincnet+", "time-domain"]
CompressionName = Literal["log", "log10000", "log-learn", "layernorm", "pcen"]
ResolutionName = Literal["none", "diffres", "avgpool", "convavgpool", "changehop"]
SMALL_MODELS = ("sbcnn", "vgg", "timbre")  # the post's; any other backbone is timm's

S = TypeVar("S")

_POSITIVE = ("sample_rate", "n_fft", "win_length", "hop_length", "n_mels", "dilation", "n_kept", "fps")


@dataclass(frozen=True)
class FrontendSettings:
    """Waveform to features. The defaults are a 25 ms / 10 ms log-mel of 128 bands at 16 kHz.

    Raises:
        UsageError: where values do not fit each other (more frames a second than the spectrogram has, ...).
    """

    filterbank: FilterbankName = "mel"  # learnable ones: n_mels filters of win_length taps, the next odd number
    sample_rate: int = 16000
    n_fft: int = 512
    win_length: int = 400  # samples: 25 ms at 16 kHz
    hop_length: int = 160  # samples: 10 ms at 16 kHz
    n_mels: int = 128
    f_min: float = 0.0  # Hz; 0 is 60 for leaf and time-domain, 50 for sincnet, as published
    f_max: float | None = None  # Hz; None: half the sample rate, for leaf and time-domain 7800 Hz of 16 kHz
    mel_scale: Literal["slaney", "htk"] = "slaney"
    compression: CompressionName = "log"
    resolution: ResolutionName = "none"
    fps: float | None = None  # frames a second that reach the classifier; None: all of them
    avgpool_of: Literal["energies", "compressed"] = "energies"  # "compressed": as the authors' release does
    guide_lambda: float = 0.5  # share of the empty frames' importance that is let pass, Eq. 7
    dilation: int = 1  # of the importance network
    rescaling: Literal["exact", "paper"] = "exact"
    mean: bool = True  # channel of the mean aggregation
    max: bool = True  # channel of the maximum aggregation
    encoding: Literal["sinusoidal", "learnable", "none"] = "sinusoidal"
    algorithm1: bool = True
    normalizer: Literal["mean", "reduction"] = "mean"
    n_kept: int | None = None  # the same number of kept frames for every clip; None: each its own share
    spec_augment: bool = False  # masks up to 48 of 128 bands and half the frames while training

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            value = getattr(self, name)
            _check(value is None or value > 0, name, value, "above 0")
        _check(self.win_length <= self.n_fft, "win_length", self.win_length, f"at most n_fft ({self.n_fft})")
        nyquist_hz = self.sample_rate / 2
        f_max_hz = nyquist_hz if self.f_max is None else self.f_max
        _check(f_max_hz <= nyquist_hz, "f_max", f_max_hz, f"at most half the sample rate ({nyquist_hz:g} Hz)")
        _check(0 <= self.f_min < f_max_hz, "f_min", self.f_min, f"from 0 to below {f_max_hz:g} Hz")
        _check(0 <= self.guide_lambda <= 1, "guide_lambda", self.guide_lambda, "from 0 to 1")
        self._check_resolution()

    def _check_resolution(self) -> None:
        full, fps = self.full_fps, self.fps
        _check(fps is None or fps <= full, "fps", fps, f"at most {full:g}, as hop_length gives")
        if self.resolution == "none" and fps is not None and fps < full:
            raise UsageError(
                f"fps={fps:g} with resolution='none', which keeps all {full:g} frames a second: "
                "leave fps out, or choose a resolution (diffres, avgpool, convavgpool, changehop)"
            )
        if self.n_kept is not None and self.resolution != "diffres":
            raise UsageError(f"n_kept={self.n_kept} is for resolution='diffres', not {self.resolution!r}")
        if self.resolution == "diffres" and not (self.mean or self.max):
            raise UsageError("mean and max are both off and leave no features: keep at least one")

    @property
    def full_fps(self) -> float:
        """Frames a second of the spectrogram, before any is given up."""
        return self.sample_rate / self.hop_length

    @property
    def reduction(self) -> float:
        """The paper's dimension reduction rate: the share of frames given up, 0 where fps is not set."""
        return 0.0 if self.fps is None else 1 - self.fps / self.full_fps


@dataclass(frozen=True)
class ModelSettings:
    """Features to classes.

    Raises:
        UsageError: where a value is out of its range.
    """

    backbone: str = "sbcnn"  # "sbcnn", "vgg", "timbre", or any timm name
    pretrained: bool = False
    head: Literal["attention", "mean", "prototypes", "none"] = "mean"  # "none" is timbre's: its maxima are the scores
    n_heads: int = 4  # of the attention head
    dropout: float = 0.5  # of the mean head and of prototypes
    n_filters: int = 32  # of each layer of vgg; the post's: 32, with prototypes 128
    n_embedding: int = 10  # features of the space prototypes lie in
    n_frames: int | None = None  # sbcnn, vgg, timbre as published, for excerpts of so many frames; None: of any length

    def __post_init__(self) -> None:
        _check(bool(self.backbone), "backbone", self.backbone, "'sbcnn', 'vgg', 'timbre' or the name of a timm model")
        for name in ("n_heads", "n_filters", "n_embedding", "n_frames"):
            value = getattr(self, name)
            _check(value is None or value > 0, name, value, "above 0")
        _check(0 <= self.dropout < 1, "dropout", self.dropout, "from 0 to below 1")
        if (self.backbone == "timbre") != (self.head == "none"):
            raise UsageError(
                f"backbone={self.backbone!r} with head={self.head!r}: timbre's maxima are the scores already, "
                "so head=none belongs to it and to no other"
            )
        if self.backbone in SMALL_MODELS and self.pretrained:
            raise UsageError(f"pretrained=true: {self.backbone!r} has no pretrained weights, choose a timm model")
        if self.backbone not in SMALL_MODELS and self.n_frames is not None:
            raise UsageError(
                f"n_frames={self.n_frames} is for {', '.join(SMALL_MODELS)}: leave it out, "
                f"{self.backbone!r} takes any number of frames"
            )


def settings_from_dict(cls: type[S], values: Mapping[str, Any], where: str = "") -> S:
    """The dataclass `cls` from plain values (of JSON or YAML), each checked against its field's type.

    Fields that are dataclasses themselves take a mapping. `where` goes before names in messages.

    Raises:
        UsageError: for an unknown key (with the nearest valid ones), a missing one, a wrong type.
    """
    if not isinstance(values, Mapping):
        raise UsageError(f"{where.rstrip('.') or cls.__name__}: got {values!r}, wanted settings (key: value)")
    hints = get_type_hints(cls)
    names = [field.name for field in fields(cls)]  # type: ignore[arg-type]
    for key in values:
        if key not in names:
            raise UsageError(unknown_name(f"{where}{key}", names, "setting", prefix=where))
    for field in fields(cls):  # type: ignore[arg-type]
        if field.name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise UsageError(f"{where}{field.name} is missing and has no default")
    return cls(**{key: _typed(hints[key], value, f"{where}{key}") for key, value in values.items()})


def unknown_name(name: str, valid: list[str], kind: str, prefix: str = "") -> str:
    """One line that refuses `name` and names the nearest valid ones (all, where none is near)."""
    near = get_close_matches(name.removeprefix(prefix), valid, n=3, cutoff=0.5)
    names = ", ".join(prefix + each for each in near or sorted(valid))
    return f"unknown {kind} {name!r}; {'nearest' if near else 'valid'}: {names}"


def _typed(hint: Any, value: Any, name: str) -> Any:
    """`value` as `hint` wants it (an integer for a float becomes one); UsageError where it does not fit."""
    origin, args = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        assert isinstance(hint, type)
        return value if isinstance(value, hint) else settings_from_dict(hint, value, f"{name}.")
    if origin in (Union, UnionType):
        if value is None and NoneType in args:
            return None
        wanted = [arg for arg in args if arg is not NoneType]
        assert len(wanted) == 1, f"{name}: settings are of one type or None, not {hint}"
        return _typed(wanted[0], value, name)
    if origin is Literal:
        if value not in args or isinstance(value, bool) != isinstance(args[0], bool):
            raise UsageError(unknown_name(str(value), [str(a) for a in args], f"value of {name}:"))
        return value
    return _plain(hint, value, name)


def _plain(hint: Any, value: Any, name: str) -> Any:
    """A bool, int, float or str, not mistaken for each other."""
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise UsageError(f"{name}={value!r} is of type {type(value).__name__}, wanted {hint.__name__}")
    return value


def _check(good: bool, name: str, value: object, wanted: str) -> None:
    if not good:
        raise UsageError(f"{name}={value!r}, wanted: {wanted}")
