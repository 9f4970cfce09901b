"""What scores clips, a classifier or the file that it was exported to, and how it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from tenuto.inference.inputs import PathLike
from tenuto.inference.onnx_classifier import OnnxClassifier
from tenuto.models.checkpoint import load
from tenuto.models.classifier import Classifier

Scorer = Classifier | OnnxClassifier


def opened(path: PathLike, device: str = "cpu") -> Scorer:
    """The classifier of a run or model folder, or an exported .onnx; raises what `load` and OnnxClassifier do."""
    is_onnx = Path(path).suffix.lower() == ".onnx"
    return OnnxClassifier(path, device) if is_onnx else load(path, device=device)


@torch.inference_mode()
def score_clips(model: Scorer, waveforms: Sequence[torch.Tensor]) -> NDArray[np.float32]:
    """Clips, each (samples,), of one kept length -> probabilities (clip, class), on the device the model is on."""
    if isinstance(model, OnnxClassifier):
        return model.score([waveform.numpy() for waveform in waveforms])
    device = next(model.parameters()).device
    lengths = torch.tensor([len(waveform) for waveform in waveforms])
    padded = pad_sequence(list(waveforms), batch_first=True).to(device)
    output = model(padded, lengths)
    scores: NDArray[np.float32] = model.probabilities(output.logits).float().cpu().numpy()
    return scores


@contextmanager
def evaluating(model: Scorer) -> Iterator[None]:
    """A classifier in evaluation mode, and afterwards in the one it came in."""
    if isinstance(model, OnnxClassifier):
        yield
        return
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def hearing(model: Scorer) -> tuple[float, float]:
    """The band of frequencies that the model was built for, in Hz."""
    if isinstance(model, OnnxClassifier):
        return model.f_min_hz, model.f_max_hz
    nyquist_hz = model.sample_rate / 2
    if model.settings is None:
        return 0.0, nyquist_hz
    frontend = model.settings[0]
    return frontend.f_min, nyquist_hz if frontend.f_max is None else frontend.f_max
