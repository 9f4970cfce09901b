"""Where the time of a training goes, from files to weights, in clips a second; and which stage is the limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor

from tenuto.data.audio import facts, n_resampled
from tenuto.data.batching import Batch, ClipDataset, ClipLoader, choose_workers, train_loader
from tenuto.data.cache import SampleCache
from tenuto.data.check import check_clips
from tenuto.data.clips import ClipTable
from tenuto.data.sets import find_clips
from tenuto.errors import UsageError
from tenuto.inference.timing import Call, Say, Spread, shown, time_in_turns
from tenuto.models.build import build_classifier
from tenuto.models.classifier import Classifier
from tenuto.training.losses import objective
from tenuto.training.recipe import Recipe

_NATIVE_RATE = 44100  # of clips made up here: most recordings have to be resampled


@dataclass(frozen=True)
class Pipeline:
    """What was measured: rows of stage and `Spread` of clips a second, and a sentence that says which is the limit."""

    rows: list[dict[str, Any]]
    limit: str


def measure(
    recipe: Recipe,
    source: str | Path | None = None,
    *,
    n_clips: int = 32,
    seconds: float = 10.0,
    n_rounds: int = 5,
    device: str = "cpu",
    say: Say | None = None,
) -> Pipeline:
    """Measures a training by `recipe` on clips of `source`; None: on clips of noise made up for it, ogg and wav.

    Args:
        n_clips: of the source, spread over it; also the length of an epoch here.
        seconds: of clips that are made up.

    Raises:
        UsageError: no such source, a recipe of episodes, fewer than one clip or round.
        WorkError: no clip that can be read.
    """
    if n_clips < 1 or n_rounds < 1:
        raise UsageError(f"{n_clips} clips in {n_rounds} rounds: wanted at least one of each")
    if recipe.model.head == "prototypes":
        raise UsageError("model.head=prototypes trains in episodes, which are not measured here: choose another head")
    with TemporaryDirectory(prefix="tenuto-") as folder:
        made = Path(folder)
        table = _some(find_clips(source or _make_clips(made / "clips", n_clips, seconds)), n_clips)
        stages = _Stages(recipe, table, made / "decoded", device)
        timings = time_in_turns(stages.calls(), n_rounds, device=device, say=say)
        rates = {name: timing.rate(stages.n_clips[name]) for name, timing in timings.items()}
        rows = [{"stage": name, "clips a second": rate, "what": stages.what[name]} for name, rate in rates.items()]
        return Pipeline(rows, limit_of(rates, stages.workers))


def limit_of(rates: dict[str, Spread], workers: int) -> str:
    """Which stage keeps a training from being faster, in a sentence or two.

    Batches are made while the device computes, so the slower of both decides: making batches, or a training step.
    """
    files, step = rates["batches from files"].median, rates["training step"].median
    decoded = rates["batches from decoded audio"].median
    who = _processes(workers) if workers else "the training's own process"
    told = f"{who} can make {shown(files)} clips a second from files, and training can take {shown(step)}"
    shares = {name: step / rates[name].median for name in ("front end", "backbone")}
    stage = max(shares, key=lambda name: shares[name])
    if files >= step:
        return f"The limit is the {stage} ({min(1.0, shares[stage]):.0%} of a training step): {told}."
    if decoded >= step:
        return f"The limit is decoding: {told}; from decoded audio it is {shown(decoded)}, so set data.cache=FOLDER."
    return f"The limit is the making of batches: {told}; more data.workers may help, on more processors."


class _Stages:
    """The parts of a training, each ready to be called on its own."""

    def __init__(self, recipe: Recipe, table: ClipTable, folder: Path, device: str) -> None:
        self.recipe, self.device, self.table = recipe, device, table
        self.files = self._dataset(cache=None)
        cache = SampleCache(folder, recipe.frontend.sample_rate, recipe.data.cache_format)
        cache.fill(_lengths(table, cache.sample_rate))
        self.decoded = self._dataset(cache=cache)
        on_gpu = device.startswith("cuda")
        self.workers = choose_workers(recipe.data.workers, self.files, recipe.data.batch_size, on_gpu)
        self.model = self._model()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-6)
        self.n_clips: dict[str, int] = {}
        self.what: dict[str, str] = {}

    def calls(self) -> dict[str, Call]:
        """Each stage by its name, and in `n_clips` and `what` how many clips a call takes and what it does."""
        from_files, from_decoded = self._loader(self.files, self.workers), self._loader(self.decoded, 0)
        batch = next(iter(from_decoded)).to(self.device)
        with torch.no_grad():
            features = self.model.frontend(batch.waveforms, batch.lengths).features
        n_all, n_batch = len(self.files), len(batch)
        own = "in this process"
        by = f"by {_processes(self.workers)}" if self.workers else own
        found: dict[str, Call] = {}
        for suffix, indices in self._by_suffix().items():
            found[f"decode {suffix}"] = lambda indices=indices: [self.files[k] for k in indices]  # type: ignore[misc]
            self._tell(f"decode {suffix}", len(indices), f"to mono at {self.files.sample_rate} Hz, {own}")
        found["batches from files"] = lambda: _exhaust(from_files)
        self._tell("batches from files", n_all, f"decoded, cropped, mixed, {by}")
        found["batches from decoded audio"] = lambda: _exhaust(from_decoded)
        self._tell("batches from decoded audio", n_all, f"of data.cache, {own}")
        found["front end"] = lambda: self._frontend(batch)
        self._tell("front end", n_batch, "waveforms to features, forward and backward")
        found["backbone"] = lambda: self._backbone(batch, features)
        self._tell("backbone", n_batch, f"{self.recipe.model.backbone} and head, forward and backward")
        found["training step"] = lambda: self._step(batch)
        self._tell("training step", n_batch, "the whole of it, on a batch that is there")
        found["training from files"] = lambda: self._epoch(from_files)
        self._tell("training from files", n_all, f"batches made {by}")
        found["training from decoded audio"] = lambda: self._epoch(from_decoded)
        self._tell("training from decoded audio", n_all, f"batches made {own}")
        return found

    def _tell(self, name: str, n_clips: int, what: str) -> None:
        self.n_clips[name], self.what[name] = n_clips, what

    def _dataset(self, cache: SampleCache | None) -> ClipDataset:
        rate, seconds = self.recipe.frontend.sample_rate, self.recipe.data.clip_seconds
        clips, labels = self.table.clips, self.table.labels
        return ClipDataset(clips, labels, rate, seconds, random_crop=True, cache_bytes=0, cache=cache)

    def _loader(self, clips: ClipDataset, workers: int) -> ClipLoader:
        data, pin = self.recipe.data, self.device.startswith("cuda")
        return train_loader(clips, data.batch_size, mixup=data.mixup, workers=workers, pin_memory=pin)

    def _by_suffix(self) -> dict[str, list[int]]:
        """A few clips of each kind of file."""
        found: dict[str, list[int]] = {}
        for index, clip in enumerate(self.table.clips):
            found.setdefault(clip.path.suffix.lower() or "files", []).append(index)
        return {suffix: indices[:8] for suffix, indices in sorted(found.items())}

    def _model(self) -> Classifier:
        torch.manual_seed(0)
        softmax = self.recipe.training.loss == "ce"
        model = build_classifier(
            self.recipe.frontend,
            self.recipe.model,
            self.table.labels,
            self.table.multi_label,
            "softmax" if softmax else "sigmoid",
        )
        return model.to(self.device).train()

    def _frontend(self, batch: Batch) -> None:
        output = self.model.frontend(batch.waveforms, batch.lengths)
        if output.features.requires_grad:
            (output.features.mean() + output.guide_loss).backward()
        self.optimizer.zero_grad()

    def _backbone(self, batch: Batch, features: Tensor) -> None:
        logits = self.model.head(self.model.backbone(features), None)
        torch.autograd.backward(self._loss(logits, batch, logits.new_zeros(())))
        self.optimizer.zero_grad()

    def _step(self, batch: Batch) -> None:
        output = self.model(batch.waveforms, batch.lengths)
        torch.autograd.backward(self._loss(output.logits, batch, output.resolution.guide_loss))
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _loss(self, logits: Tensor, batch: Batch, guide_loss: Tensor) -> Tensor:
        settings = self.recipe.training
        return objective(logits, batch.targets, guide_loss, settings.loss, settings.guide_weight)

    def _epoch(self, loader: Iterable[Batch]) -> None:
        for batch in loader:
            self._step(batch.to(self.device, non_blocking=True))


def _processes(workers: int) -> str:
    return f"{workers} processes beside it" if workers > 1 else "one process beside it"


def _exhaust(batches: Iterable[Batch]) -> None:
    for _ in batches:
        pass


def _some(table: ClipTable, n_clips: int) -> ClipTable:
    """So many readable clips, spread evenly over the table."""
    clips = table.clips[:: max(1, len(table.clips) // n_clips)][:n_clips]
    labels = tuple(label for label in table.labels if any(label in clip.labels for clip in clips))
    some = ClipTable(clips, labels, table.multi_label, table.name, table.root)
    return check_clips(some.clips).usable(some)


def _lengths(table: ClipTable, sample_rate: int) -> dict[Path, int]:
    found = {clip.path: facts(clip.path) for clip in table.clips}
    return {path: n_resampled(each.n_samples, each.sample_rate, sample_rate) for path, each in found.items()}


def _make_clips(folder: Path, n_clips: int, seconds: float) -> Path:
    """Class folders of noise at 44.1 kHz, stereo, the first half of each class ogg and the others wav."""
    random = np.random.default_rng(0)
    for k in range(max(2, n_clips)):
        path = folder / f"class {k % 2}" / f"{k}.{'wav' if k % 4 > 1 else 'ogg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        settings: dict[str, Any] = {"format": "WAV", "subtype": "PCM_16"}
        if path.suffix == ".ogg":
            settings = {"format": "OGG", "subtype": "VORBIS"}
        with soundfile.SoundFile(path, "w", samplerate=_NATIVE_RATE, channels=2, **settings) as sound:
            for n_samples in _pieces(round(seconds * _NATIVE_RATE)):
                sound.write(0.1 * random.standard_normal((n_samples, 2)).astype(np.float32))
    return folder


def _pieces(n_samples: int) -> Sequence[int]:
    """A second at a time: libsndfile's Vorbis encoder overflows its stack on a minute at once."""
    return [min(_NATIVE_RATE, n_samples - start) for start in range(0, n_samples, _NATIVE_RATE)]
