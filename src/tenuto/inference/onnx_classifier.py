"""An exported model with the face of a classifier, over onnxruntime. Executes no code of the file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tenuto.errors import UsageError, WorkError
from tenuto.frontend.lengths import n_frames, n_kept
from tenuto.inference.onnx_facts import read_facts

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxClassifier:
    """model.onnx as `tenuto export` wrote it.

    labels, sample_rate (Hz), multi_label, activation and clip_seconds are a Classifier's; f_min_hz and f_max_hz what
    it was built to hear; sha256 of the file.

    Raises:
        UsageError: no such file, or no such device.
        WorkError: a file that is broken, or that tenuto did not export; in `score`, what onnxruntime cannot do.
    """

    def __init__(self, path: str | os.PathLike[str], device: str = "cpu") -> None:
        content = _content(Path(path))
        self._session = open_session(content, device, os.fspath(path))
        facts = read_facts(self._session, os.fspath(path))
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.labels: tuple[str, ...] = tuple(facts["labels"])
        self.sample_rate: int = facts["sample_rate"]
        self.multi_label: bool = facts["multi_label"]
        self.activation: str = facts["activation"]
        self.clip_seconds: float | None = facts["clip_seconds"]
        self.f_min_hz: float = facts["f_min"]
        self.f_max_hz: float = facts["f_max"]
        self._hop_length: int = facts["hop_length"]
        self._reduction: float = facts["reduction"]
        self._n_kept: int | None = facts["n_kept"]

    def kept(self, n_samples: int) -> int:
        """Frames that reach the classifier of clips of so many samples."""
        frames = n_frames(n_samples, self._hop_length)
        return n_kept(frames, self._reduction) if self._n_kept is None else min(frames, self._n_kept)

    def score(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Clips, each (samples,), of one kept length -> probabilities (clip, class)."""
        lengths = np.array([len(clip) for clip in clips], dtype=np.int64)
        waveforms = np.zeros((len(clips), lengths.max()), dtype=np.float32)
        for row, clip in zip(waveforms, clips, strict=True):
            row[: len(clip)] = clip
        try:
            scores: NDArray[np.float32] = self._session.run(None, {"waveforms": waveforms, "lengths": lengths})[0]
        except Exception as error:  # onnxruntime's have no class of their own
            seconds = waveforms.shape[1] / self.sample_rate
            raise WorkError(
                f"onnxruntime failed on {len(clips)} clips of up to {seconds:.4g} s ({_first_line(error)}): "
                "try shorter windows (--window) or fewer at a time (--batch-size)"
            ) from error
        return scores


def open_session(content: bytes, device: str = "cpu", name: str = "the model") -> Any:
    """An onnxruntime session of an ONNX file's content, of as many threads as PyTorch has.

    Raises:
        UsageError: no such device. WorkError: content that is not ONNX.
    """
    import onnxruntime

    wanted, known = _PROVIDERS.get(device.split(":")[0]), onnxruntime.get_available_providers()
    if wanted not in known:
        raise UsageError(f"device {device!r} cannot be used by this onnxruntime ({', '.join(known)}): use 'cpu'")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    try:
        return onnxruntime.InferenceSession(content, options, providers=[wanted])
    except Exception as error:  # onnxruntime's have no class of their own
        raise WorkError(
            f"{name} is not an ONNX model that onnxruntime reads ({_first_line(error)}): export it again"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): give a run folder or a model.onnx") from error
