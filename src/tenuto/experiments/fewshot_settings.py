"""The few-data laboratory's settings and cells: how a training goes, how often, and which draw it is of. No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from tenuto.errors import UsageError
from tenuto.models.settings import CompressionName, FrontendSettings, unknown_name
from tenuto.report.words import counted

ModelName = Literal["sbcnn", "vgg", "vgg128", "timbre", "prototypes", "prototypes128"]
MODELS: tuple[str, ...] = get_args(ModelName)
COMPRESSIONS: tuple[str, ...] = get_args(CompressionName)
POST_MODELS = ("sbcnn", "vgg", "timbre", "prototypes")
POST_COMPRESSIONS = ("log", "log-learn")
POST_SIZES = (1, 2, 5, 10, 20, 50, 100)  # clips a class
REPEATS = {1: 20, 2: 20, 5: 10, 10: 10, 20: 5, 50: 5, 100: 5}  # draws a fold, as the post prints


@dataclass(frozen=True)
class FewshotSettings:
    """How clips become patches and how a model is trained on them; the defaults are arXiv 1810.10274's.

    44.1 kHz, windows and hops of 1024 samples, 128 bands, patches of 128 frames (3 s); stochastic gradient descent at
    0.1 without momentum on batches of 256, the gradient's norm clipped at 5, weight decay 1e-3 on the kernels (none
    for prototypes, as in the authors' code), 200 epochs of one random patch a clip.

    Args:
        max_patches: of one clip when it is tested (and when it makes a prototype), spread evenly over it.
        converge: stop at a plateau of the training loss, see `fewshot_training.plateau`; `epochs` is then the most.

    Raises:
        UsageError: a value that is none.
    """

    sample_rate: int = 44100
    n_fft: int = 1024
    win_length: int = 1024
    hop_length: int = 1024
    n_mels: int = 128
    n_frames: int = 128
    max_patches: int = 16
    epochs: int = 200
    converge: bool = False
    batch_size: int = 256
    learning_rate: float = 0.1
    weight_decay: float = 1e-3
    clip_norm: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_frames", "max_patches", "epochs", "batch_size", "learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} is {getattr(self, name)}: wanted more than 0")
        self.frontend()  # refuses what makes no sense

    def frontend(self, compression: CompressionName = "log") -> FrontendSettings:
        """The front end: mel energies, every frame of them, and a compression."""
        return FrontendSettings(
            sample_rate=self.sample_rate,
            n_fft=self.n_fft,
            win_length=self.win_length,
            hop_length=self.hop_length,
            n_mels=self.n_mels,
            compression=compression,
        )

    @property
    def patch_seconds(self) -> float:
        """Length of a patch."""
        return self.n_frames * self.hop_length / self.sample_rate

    def told(self) -> str:
        """One line that says everything a reader of the tables must know."""
        epochs = (
            f"as many epochs as it takes, at most {self.epochs}" if self.converge else counted(self.epochs, "epoch")
        )
        return (
            f"{self.sample_rate:g} Hz, windows of {self.win_length} and hops of {self.hop_length} samples, "
            f"{self.n_mels} bands, patches of {self.n_frames} frames ({self.patch_seconds:.2f} s), "
            f"at most {counted(self.max_patches, 'patch', 'patches')} of a test clip, {epochs}, "
            f"batches of {self.batch_size}, learning rate {self.learning_rate:g}, "
            f"weight decay {self.weight_decay:g}, seed {self.seed}"
        )


def short_settings(native_rate_hz: int) -> dict[str, int]:
    """For clips below a second: 25 ms windows every 10 ms at up to 16 kHz, patches of 64 frames; 40 or 64 bands."""
    sample_rate = min(native_rate_hz, 16000)
    win_length = round(0.025 * sample_rate)
    n_fft = 1 << (win_length - 1).bit_length()
    hop_length, n_mels = round(0.010 * sample_rate), 64 if sample_rate >= 16000 else 40
    return {
        "sample_rate": sample_rate,
        "n_fft": n_fft,
        "win_length": win_length,
        "hop_length": hop_length,
        "n_mels": n_mels,
        "n_frames": 64,
    }


@dataclass(frozen=True)
class FewshotCell:
    """One training: data, model and compression, on the draw that (n, fold, repeat) stand for."""

    data: str
    model: str
    compression: str
    n: int  # clips a class
    fold: str  # "all" where the data has no folds
    repeat: int

    @property
    def name(self) -> str:
        """A name for files and progress lines."""
        data, fold = (re.sub(r"[^\w+-]", "_", text) for text in (self.data, self.fold))
        return f"{data}.{self.model}.{self.compression}.n{self.n}.{fold}.r{self.repeat}"


def cells_of(
    data: str,
    folds: Sequence[str],
    sizes: Sequence[int],
    repeats: int | None,
    models: Sequence[str],
    compressions: Sequence[str],
) -> list[FewshotCell]:
    """Every cell, so ordered that a grid cut short has all models and compressions on the draws it came to.

    repeats: of each n; None: the post's (5 where it has none).
    """
    n_repeats = {n: REPEATS.get(n, 5) if repeats is None else repeats for n in sizes}
    return [
        FewshotCell(data, model, compression, n, fold, repeat)
        for repeat in range(max(n_repeats.values(), default=0))
        for n in sizes
        if repeat < n_repeats[n]
        for fold in folds
        for model in models
        for compression in compressions
    ]


def check_choices(
    models: Sequence[str], compressions: Sequence[str], sizes: Sequence[int], repeats: int | None
) -> None:
    """Raises UsageError for an unknown model or compression, a number that is none, or nothing to do."""
    for kind, given, known in (("model", models, MODELS), ("compression", compressions, COMPRESSIONS)):
        for name in given:
            if name not in known:
                raise UsageError(unknown_name(name, list(known), kind))
    if not (models and compressions and sizes):
        raise UsageError("nothing to do: name at least one model, compression and number of clips")
    for what, number in (("n", min(sizes)), ("repeats", 1 if repeats is None else repeats)):
        if number < 1:
            raise UsageError(f"{what} is {number}: wanted at least 1")
