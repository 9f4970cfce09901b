"""Which frames a model held and which it let go: the paper's Figure 4 for any file, as a picture and as data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tenuto.data.audio import duration_seconds, read
from tenuto.frontend.compression import LayerNorm, LogCompression
from tenuto.frontend.importance import frame_energy
from tenuto.frontend.mel import mel_frequencies
from tenuto.frontend.output import ResolutionOutput
from tenuto.inference.explanation import Explanation, check_suffix
from tenuto.inference.inputs import PathLike
from tenuto.inference.placement import Placement, place
from tenuto.inference.predict import NEGLIGIBLE_SHARE, windows_of
from tenuto.models.checkpoint import load
from tenuto.models.classifier import Classifier
from tenuto.report.plots import ClipPicture, comparison, save
from tenuto.report.style import shorten

_WORDS = {
    "FullResolution": "no reduction",
    "ChangeHop": "a larger hop",
    "AvgPool": "average pooling",
    "ConvAvgPool": "convolutions, then average pooling",
}  # what a picture calls a resolution; others keep the name of their class


def explain(
    model: Classifier | PathLike,
    file: PathLike,
    out: PathLike | Sequence[PathLike] | None = None,
    *,
    start_seconds: float = 0.0,
    seconds: float | None = None,
    device: str = "cpu",
) -> Explanation:
    """What the model hears in a file: its scores, the importance of every frame, what reaches the classifier.

    Args:
        model: a classifier, or the run or model folder it was saved in.
        out: where to write: pictures (.png, .svg, .pdf) and data (.json, .csv), as many as wanted.
        start_seconds, seconds: the part of the file; by default from its beginning as much as the model hears at
            once. What is left of a longer file is said in the notes.

    Raises:
        AudioError: a file that cannot be read. UsageError: a suffix that is not known, a part that makes no sense.
    """
    outs = [out] if isinstance(out, str | os.PathLike) else list(out or ())
    for path in outs:
        check_suffix(path)
    classifier = model if isinstance(model, Classifier) else load(model, device=device)
    found = _explain(classifier, Path(file), start_seconds, seconds)
    for path in outs:
        found.write(path)
    return found


def explain_several(model: Classifier | PathLike, files: Sequence[PathLike], out: PathLike) -> list[Explanation]:
    """One picture of several files side by side: the input, its importance and what was kept of each."""
    classifier = model if isinstance(model, Classifier) else load(model)
    found = [explain(classifier, file) for file in files]
    save(comparison([each.picture for each in found]), out)
    return found


def _explain(model: Classifier, path: Path, start_seconds: float, seconds: float | None) -> Explanation:
    window, _, pads = windows_of(model, seconds)
    samples = read(path, model.sample_rate, start_seconds, window)
    end_seconds = start_seconds + len(samples) / model.sample_rate
    if pads:
        n_window = int(window * model.sample_rate + 0.5)
        samples = np.pad(samples, (0, max(0, n_window - len(samples))))
    notes = _part_notes(path, start_seconds, end_seconds, len(samples) / model.sample_rate)
    was_training = model.training
    try:
        heard = _hear(model.eval(), torch.from_numpy(samples))
    finally:
        model.train(was_training)
    best = heard.scores.argsort()[::-1]
    scores = [(model.labels[i], float(heard.scores[i])) for i in best]
    picture, placement = _picture(model, heard, path, start_seconds, scores, notes)
    return Explanation(
        file=str(path),
        start_seconds=start_seconds,
        end_seconds=end_seconds,
        scores=scores,
        picture=picture,
        placement=placement,
        activeness=float(heard.resolution.activeness),
        resolution=_resolution_name(model),
    )


@dataclass(frozen=True)
class _Heard:
    """One clip through the model: spectrogram (band, frame), empty (frame,), scores (class,), and the resolution."""

    spectrogram: NDArray[np.float32]
    empty: NDArray[np.bool_]
    scores: NDArray[np.float32]
    resolution: ResolutionOutput


@torch.inference_mode()
def _hear(model: Classifier, waveform: torch.Tensor) -> _Heard:
    waveforms = waveform[None].to(next(model.parameters()).device)
    front = model.frontend
    energies = front.filterbank(waveforms)
    output = model(waveforms)
    return _Heard(
        spectrogram=front.compression(energies)[0].float().cpu().numpy(),
        empty=(frame_energy(energies) < front.resolution.epsilon)[0].cpu().numpy(),
        scores=model.probabilities(output.logits)[0].float().cpu().numpy(),
        resolution=output.resolution,
    )


def _picture(
    model: Classifier,
    heard: _Heard,
    path: Path,
    start_seconds: float,
    scores: Sequence[tuple[str, float]],
    notes: Sequence[str],
) -> tuple[ClipPicture, Placement | None]:
    frame_seconds = model.frontend.filterbank.hop_length / model.sample_rate
    said = ", ".join(f"{shorten(label, 20)} {score:.2f}" for label, score in scores[:3])
    importance, placement = heard.resolution.importance, None
    n_frames, n_kept = heard.spectrogram.shape[1], int(heard.resolution.lengths[0])
    weights: NDArray[np.float64] | None = None
    if importance is not None:
        weights = importance[0].double().cpu().numpy()
        placement = place(weights, n_kept, frame_seconds)
    counted = _count_note(_resolution_name(model), n_frames, n_kept, frame_seconds, float(heard.resolution.activeness))
    picture = ClipPicture(
        title=f"{path.name}: {said}",
        spectrogram=heard.spectrogram,
        frame_seconds=frame_seconds,
        empty=heard.empty,
        importance=weights,
        channels={} if placement is None else _channels(model, heard.resolution),
        kept_seconds=np.zeros(0) if placement is None else placement.centre_seconds,
        edge_seconds=np.zeros(0) if placement is None else placement.edge_seconds,
        band_hz=_band_hz(model),
        start_seconds=start_seconds,
        unit=_unit(model),
        notes=(counted, *notes),
    )
    return picture, placement


def _channels(model: Classifier, output: ResolutionOutput) -> dict[str, NDArray[np.float32]]:
    """Name -> (band, kept), in the order the classifier sees them."""
    resolution = model.frontend.resolution
    names = {"AvgPool": ["mean"], "ConvAvgPool": ["convolved, then averaged"]}.get(type(resolution).__name__, [])
    if type(resolution).__name__ == "DiffRes":
        has = {"mean": resolution.mean, "maximum": resolution.max, "encoding": resolution.encoding != "none"}
        names = [name for name, there in has.items() if there]
    features = output.features[0].float().cpu().numpy()
    names += [f"channel {i}" for i in range(len(names), len(features))]
    return dict(zip(names, features, strict=True))


def _count_note(name: str, n_frames: int, n_kept: int, frame_seconds: float, activeness: float) -> str:
    rate = 1 / frame_seconds
    said = _WORDS.get(name, name)
    if n_kept == n_frames:
        reach = "the one frame reaches" if n_frames == 1 else f"all {n_frames} frames ({rate:.3g} a second) reach"
        return f"{said}: {reach} the classifier, none are merged"
    learned = f", activeness {activeness:.3f}" if name == "DiffRes" else ", all frames of the same importance"
    kept = f"{n_frames} frames ({rate:.3g} a second) → {n_kept} kept ({rate * n_kept / n_frames:.3g} a second)"
    return f"{said}: {kept}{learned}"


def _part_notes(path: Path, start_seconds: float, end_seconds: float, heard_seconds: float) -> list[str]:
    """What the picture does not show of the file, and what it shows that is not in it."""
    whole = duration_seconds(path)
    notes = []
    if start_seconds > 0 or end_seconds < whole - NEGLIGIBLE_SHARE * heard_seconds:
        notes.append(f"{start_seconds:.4g} to {end_seconds:.4g} s of a file of {whole:.4g} s")
    n_padded = heard_seconds - (end_seconds - start_seconds)
    if n_padded > NEGLIGIBLE_SHARE * heard_seconds:
        notes.append(
            f"padded with {n_padded:.3g} s of zeros to {heard_seconds:.4g} s, the length the model was trained on"
        )
    return notes


def _resolution_name(model: Classifier) -> str:
    return type(model.frontend.resolution).__name__


def _band_hz(model: Classifier) -> NDArray[np.float64] | None:
    """Centres of mel bands; None for other filterbanks, or where settings are not known."""
    if model.settings is None or model.settings[0].filterbank != "mel":
        return None
    settings = model.settings[0]
    top_hz = settings.sample_rate / 2 if settings.f_max is None else settings.f_max
    edges = mel_frequencies(settings.n_mels + 2, settings.f_min, top_hz, settings.mel_scale)
    centres: NDArray[np.float64] = edges[1:-1].numpy()
    return centres


def _unit(model: Classifier) -> str:
    match model.frontend.compression:
        case LogCompression():
            return "log energy"
        case LayerNorm():
            return "energy, normalised over bands"
    return "compressed energy"
