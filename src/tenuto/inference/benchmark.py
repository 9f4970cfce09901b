"""What layers, front ends and whole classifiers cost on this machine (the last: the paper's Figure 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter, process_time
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tenuto.errors import UsageError
from tenuto.frontend.compression import LogCompression
from tenuto.frontend.diffres import DiffRes
from tenuto.frontend.resolution import AvgPool, ConvAvgPool
from tenuto.frontend.warp import warp
from tenuto.inference.timing import Call, Say, Spread, Timing, time_in_turns
from tenuto.models.build import build_classifier, build_frontend
from tenuto.models.settings import FrontendSettings, ModelSettings

Row = dict[str, Any]
"""Words and numbers as they are, and `Spread`s of what was measured."""

SAMPLE_RATE, FULL_FPS = 16000, 100.0
REDUCTION = 0.75  # of the layers
N_CLASSES = 50
FRAMES = (1, 3, 10)  # lengths of the layers' input, in clips
LEAF_BANDS = (40, 64)  # as published, as compared with by the paper; and as many as the others have
FIGURE5 = ("Mel", "LEAF", "Mel + DiffRes")
"""Front ends of Figure 5; all but DiffRes reach their frame rate by average pooling."""


@dataclass(frozen=True)
class Size:
    """How large a measurement is; the defaults are the paper's where it says.

    Args:
        n_rounds: in which every candidate has its turn.
        seconds: length of a clip.
        fps: frames a second that reach the classifier.
        cpu_time: of this process alone, which a busy machine does not change; of all its threads together.

    Raises:
        UsageError: a number that is not above 0, or frame rates above that of the spectrogram, 100.
    """

    n_rounds: int = 7
    batch_size: int = 4
    seconds: float = 10.0
    n_bands: int = 128
    backbone: str = "efficientnet_b2"
    fps: tuple[float, ...] = (25.0, 50.0, 75.0, 100.0)
    device: str = "cpu"
    cpu_time: bool = False

    def __post_init__(self) -> None:
        for name in ("n_rounds", "batch_size", "seconds", "n_bands"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name.removeprefix('n_')} {getattr(self, name)}: wanted above 0")
        if not self.fps or not all(0 < fps <= FULL_FPS for fps in self.fps):
            given = ", ".join(f"{fps:g}" for fps in self.fps) or "none"
            raise UsageError(f"frame rates {given}: wanted above 0 and at most {FULL_FPS:g}, such as 25,50,75,100")

    def time(self, calls: Mapping[str, Call], say: Say | None) -> dict[str, Timing]:
        """Of each call, in turns."""
        clock = process_time if self.cpu_time else perf_counter
        return time_in_turns(calls, self.n_rounds, device=self.device, say=say, clock=clock)

    def waveforms(self) -> Tensor:
        """A batch of noise, (batch, samples)."""
        return 0.1 * torch.randn(self.batch_size, round(self.seconds * SAMPLE_RATE), device=self.device)


def layers(size: Size, say: Say | None = None) -> list[Row]:
    """Layers that give up three frames of four of a spectrogram: milliseconds, and how many times a copy of it.

    Forward in evaluation mode; both: forward and backward in training mode (gradients of input and parameters).
    """
    rows: list[Row] = []
    for factor in FRAMES:
        n_frames = max(4, round(factor * size.seconds * FULL_FPS))
        energies = torch.rand(size.batch_size, size.n_bands, n_frames, device=size.device)
        calls: dict[str, Call] = {}
        for name, layer in _layers(size, n_frames).items():
            calls[f"{name} forward"] = _forward(layer, energies)
            calls[f"{name} both"] = _both(layer, energies.clone().requires_grad_())
        timings = size.time(calls, _named(say, f"{n_frames} frames"))
        copy = timings["copy forward"]
        for name in (name.removesuffix(" both") for name in timings if name.endswith("both")):
            forward, both = timings[f"{name} forward"], timings[f"{name} both"]
            row = {"layer": name, "frames": n_frames, "forward, ms": forward.milliseconds}
            row |= {"forward, copies": forward.over(copy), "both, ms": both.milliseconds}
            rows.append({**row, "both, copies": both.over(copy)})
    return rows


def frontends(size: Size, say: Say | None = None) -> list[Row]:
    """Front ends from waveform to features: what they learn, seconds of audio a second, times a log-mel's forward.

    Both: forward and backward in training mode (gradients of the parameters), where there are any.
    """
    waveforms = size.waveforms()
    calls: dict[str, Call] = {}
    n_learned: dict[str, int] = {}
    for name, settings in _frontends(size).items():
        layer = build_frontend(settings).to(size.device)
        calls[f"{name} forward"] = _forward(layer, waveforms)
        n_learned[name] = sum(parameter.numel() for parameter in layer.parameters() if parameter.requires_grad)
        if n_learned[name]:
            calls[f"{name} both"] = _both(layer, waveforms)
    timings = size.time(calls, _named(say, "front ends"))
    return [_frontend_row(name, n, timings, size) for name, n in n_learned.items()]


def throughput(size: Size, say: Say | None = None) -> list[Row]:
    """Figure 5: seconds of audio a second from waveform to label, of Mel, LEAF and Mel + DiffRes at each frame rate."""
    waveforms = size.waveforms()
    calls: dict[tuple[str, float], Call] = {}
    for fps in size.fps:
        for name in FIGURE5:
            calls[name, fps] = _classify(_figure5_settings(name, fps, size.n_bands), size, waveforms)
    names = {f"{name} at {fps:g}": (name, fps) for name, fps in calls}
    by_name = {text: calls[key] for text, key in names.items()}
    timings = size.time(by_name, _named(say, "classifiers"))
    return [_throughput_row(names[text], timings[text], timings, size) for text in names]


def _layers(size: Size, n_frames: int) -> dict[str, Callable[[Tensor], Any]]:
    """By name; each takes energies (batch, band, frame)."""
    n_kept = max(1, round((1 - REDUCTION) * n_frames))
    importance = torch.rand(size.batch_size, n_frames, device=size.device)
    importance = importance * (n_kept / importance.sum(1, keepdim=True))
    diffres = DiffRes(size.n_bands, REDUCTION).to(size.device)
    network = diffres.importance
    pools = {"AvgPool": AvgPool(REDUCTION), "ConvAvgPool": ConvAvgPool(size.n_bands, REDUCTION).to(size.device)}
    resolutions = {**pools, "DiffRes": diffres}
    return {
        "copy": lambda energies: energies.clone(),
        "warp, mean": lambda energies: warp(energies, importance, n_kept),
        "warp, maximum": lambda energies: warp(energies, importance, n_kept, "max"),
        "DiffRes's importance network": _Resolved(network, lambda energies: network(energies)),
        **{name: _Resolved(layer, partial(_resolve, layer)) for name, layer in resolutions.items()},
    }


class _Resolved(nn.Module):
    """A layer and how it is called."""

    def __init__(self, layer: nn.Module, call: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.layer, self.call = layer, call

    def forward(self, energies: Tensor) -> Any:
        return self.call(energies)


def _resolve(layer: nn.Module, energies: Tensor) -> Any:
    return layer(energies, compression=LogCompression().to(energies.device)).features


def _frontends(size: Size) -> dict[str, FrontendSettings]:
    settings = partial(FrontendSettings, n_mels=size.n_bands)
    few = min(size.fps)
    resolution: Literal["none", "diffres"] = "none" if few == FULL_FPS else "diffres"
    fine = SAMPLE_RATE // 1000  # samples of 1 ms
    leaf = {n: settings(filterbank="leaf", compression="pcen", n_mels=n) for n in sorted({*LEAF_BANDS, size.n_bands})}
    return {
        "log-mel": settings(),
        "mel, learned log": settings(compression="log-learn"),
        "mel, PCEN": settings(compression="pcen"),
        f"log-mel + DiffRes to {few:g}": settings(resolution=resolution, fps=few),
        **{f"LEAF with PCEN, {n} filters": each for n, each in leaf.items()},
        "SincNet, layer norm": settings(filterbank="sincnet", compression="layernorm"),
        "SincNet+, PCEN": settings(filterbank="sincnet+", compression="pcen"),
        "time-domain filterbank": settings(filterbank="time-domain"),
        "log-mel, 1 ms hop": settings(hop_length=fine),
        "log-mel, 1 ms hop + DiffRes to 100": settings(hop_length=fine, resolution="diffres", fps=FULL_FPS),
    }


def _frontend_row(name: str, n_learned: int, timings: Mapping[str, Timing], size: Size) -> Row:
    forward, both = timings[f"{name} forward"], timings.get(f"{name} both")
    audio, mel = size.batch_size * size.seconds, timings["log-mel forward"]
    row = {"front end": name, "parameters": n_learned, "audio s a second": forward.rate(audio)}
    row["forward, log-mels"] = forward.over(mel)
    return {**row, "both, log-mels": None if both is None else both.over(mel)}


def _figure5_settings(name: str, fps: float, n_bands: int) -> FrontendSettings:
    settings = partial(FrontendSettings, fps=fps, n_mels=n_bands)
    if name == "Mel + DiffRes":
        return settings(resolution="diffres")
    pooled: Literal["avgpool", "none"] = "avgpool" if fps < FULL_FPS else "none"
    if name == "LEAF":
        return settings(filterbank="leaf", compression="pcen", resolution=pooled)
    return settings(resolution=pooled)


def _throughput_row(key: tuple[str, float], timing: Timing, timings: Mapping[str, Timing], size: Size) -> Row:
    name, fps = key
    mel = timings[f"Mel at {fps:g}"]
    row = {"front end": name, "frames a second": fps, "audio s a second": timing.rate(size.batch_size * size.seconds)}
    over: Spread | None = None if name == "Mel" else timing.over(mel)
    return {**row, "clips a second": timing.rate(size.batch_size), "time, over Mel": over}


def _classify(settings: FrontendSettings, size: Size, waveforms: Tensor) -> Call:
    """A classifier as the paper has it, waveforms to probabilities."""
    torch.manual_seed(0)
    head: Literal["mean", "attention"] = "mean" if size.backbone == "sbcnn" else "attention"
    labels = [f"class {k}" for k in range(N_CLASSES)]
    model = build_classifier(settings, ModelSettings(backbone=size.backbone, head=head), labels)
    model = model.to(size.device).eval()

    @torch.inference_mode()
    def call() -> object:
        return model.probabilities(model(waveforms).logits)

    return call


def _forward(layer: Callable[[Tensor], Any], batch: Tensor) -> Call:
    @torch.inference_mode()
    def call() -> object:
        return _in_mode(layer, False)(batch)

    return call


def _both(layer: Callable[[Tensor], Any], batch: Tensor) -> Call:
    """Forward and backward to the parameters, and to the batch where that wants a gradient."""

    def call() -> None:
        batch.grad = None
        output = _in_mode(layer, True)(batch)
        features = output if isinstance(output, Tensor) else output.features
        features.mean().backward()

    return call


def _in_mode(layer: Callable[[Tensor], Any], training: bool) -> Callable[[Tensor], Any]:
    if isinstance(layer, nn.Module):
        layer.train(training)
    return layer


def _named(say: Say | None, what: str) -> Say | None:
    return None if say is None else lambda line: say(f"{what}: {line}")
