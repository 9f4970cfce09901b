"""A folder of answers already given, one small file each, so that a night's work goes on where it was cut off.

An answer is found by what it depends on: the file's path, size and time of change, the model's weights and labels,
and the windows. Whatever of these is different has another name, so a stale answer is never taken for a new one.
Each is written beside and moved into place: several processes may share the folder, and any may be killed.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np

from tenuto.files import atomic_write
from tenuto.inference.onnx_classifier import OnnxClassifier
from tenuto.inference.predictions import FilePredictions
from tenuto.models.classifier import Classifier

_SUFFIX = ".npz"


class Journal:
    """Answers of one model with one choice of windows, in `folder`.

    Example:
        journal = Journal("answers", fingerprint(model, "5.0", "5.0"))
        known = journal.get("bird.wav")  # FilePredictions, or None: then
        journal.put(answer)
    """

    def __init__(self, folder: str | os.PathLike[str], asked: str) -> None:
        self.folder = Path(folder)
        self._asked = asked
        self._places: dict[str, Path] = {}  # of files as they were when they were asked for

    def get(self, file: str | os.PathLike[str]) -> FilePredictions | None:
        """The answer for the file as it is now, or None."""
        try:
            place = self._places[str(file)] = self._place(file)
            packed = io.BytesIO(place.read_bytes())
            with np.load(packed, allow_pickle=False) as known:
                arrays = known["starts"], known["ends"], known["scores"]
                return FilePredictions(str(file), *arrays, float(known["seconds"]))
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
            return None  # not there, or unreadable: it is answered afresh

    def put(self, answer: FilePredictions) -> None:
        """Keeps the answer for its file as it was when `get` was asked: one that changed since is read afresh."""
        place = self._places.pop(answer.file, None)
        if place is None:
            return
        packed = io.BytesIO()
        np.savez(packed, starts=answer.starts, ends=answer.ends, scores=answer.scores, seconds=answer.seconds)
        with atomic_write(place) as beside:
            beside.write_bytes(packed.getvalue())

    def remove(self) -> None:
        """Deletes the answers, and the folder if nothing else is in it."""
        for answer in self.folder.glob(f"*{_SUFFIX}"):
            answer.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            shutil.rmtree(self.folder)

    def _place(self, file: str | os.PathLike[str]) -> Path:
        about = os.stat(file)
        key = f"{self._asked}\n{os.path.abspath(file)}\n{about.st_size}\n{about.st_mtime_ns}"
        return self.folder / (hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:40] + _SUFFIX)


def fingerprint(model: Classifier | OnnxClassifier, *asked: str) -> str:
    """Of the weights, the settings, the labels and what else was asked, as hexadecimal."""
    if isinstance(model, OnnxClassifier):
        return hashlib.sha256(repr((model.sha256, asked)).encode()).hexdigest()
    digest = hashlib.sha256(repr((model.labels, model.activation, model.settings, asked)).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
