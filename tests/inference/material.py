"""Small real models and small real sounds that the tests of inference are made of."""

from __future__ import annotations

import copy
from functools import cache

import numpy as np
import pytest
import torch
import torch.fx.experimental._config
from numpy.typing import NDArray

from tenuto.inference.trials import Trial, batch
from tenuto.models.build import build_classifier
from tenuto.models.classifier import Classifier
from tenuto.models.settings import FrontendSettings, ModelSettings

LABELS = ("dog", "rooster", "rain", "sea waves")
RATE_HZ = 16000


def skip_without_export() -> None:
    """Skips a test, or a file of them, where nothing can be exported."""
    for name in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(name)
    if not hasattr(torch.fx.experimental._config, "backed_size_oblivious"):
        pytest.skip("this PyTorch is too old for export of any batch and length", allow_module_level=True)


def make_model(resolution: str = "diffres", clip_seconds: float | None = None, backbone: str = "sbcnn") -> Classifier:
    """A classifier of 32 bands, untrained but for the importance of DiffRes, which was taught to be lively."""
    model = copy.deepcopy(_model(resolution, backbone))
    model.clip_seconds = clip_seconds
    return model


@cache
def _model(resolution: str, backbone: str) -> Classifier:
    torch.manual_seed(0)
    fps = None if resolution == "none" else 25
    frontend = FrontendSettings(resolution=resolution, fps=fps, n_mels=32)  # type: ignore[arg-type]
    model = build_classifier(frontend, ModelSettings(backbone=backbone), LABELS)
    if resolution == "diffres" and backbone == "sbcnn":
        clips = torch.stack([torch.from_numpy(sound(1.0, seed=seed)) for seed in range(2)])
        optimizer = torch.optim.Adam(model.frontend.resolution.parameters(), lr=1e-2)
        for _ in range(20):
            heard = model.frontend(clips)
            optimizer.zero_grad()
            (heard.guide_loss - heard.activeness).backward()
            optimizer.step()
    return model.eval()


def sound(seconds: float, rate_hz: int = RATE_HZ, seed: int = 0) -> NDArray[np.float32]:
    """Bursts of noise with silence between them: (samples,)."""
    n_samples = round(seconds * rate_hz)
    time = np.arange(n_samples) / rate_hz
    noise = np.random.default_rng(seed).standard_normal(n_samples)
    return (0.1 * noise * (np.sin(2 * np.pi * 1.3 * time) > 0.2)).astype(np.float32)


def too_loud() -> Trial:
    """A clip as it should be, and two of the same length to which there is no answer."""
    clips = [sound(1.0, seed=seed) for seed in range(3)]
    clips[1][RATE_HZ // 2] = 1e25
    clips[2] *= 1e30
    return batch(clips)


def probabilities(model: Classifier, trial: Trial) -> NDArray[np.float32]:
    """What PyTorch says."""
    with torch.no_grad():
        found: NDArray[np.float32] = model.probabilities(model(*map(torch.from_numpy, trial)).logits).numpy()
    return found
