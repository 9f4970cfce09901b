"""A small real model and small real files that the tests of inference share."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from inference.material import RATE_HZ, make_model, skip_without_export, sound
from tenuto.inference.export import TOLERANCE
from tenuto.models.checkpoint import save
from tenuto.models.classifier import Classifier


@pytest.fixture(scope="session")
def model() -> Classifier:
    """DiffRes at 25 frames a second, clips of any length."""
    return make_model()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """write(name, seconds) -> path of a wav of float samples below tmp_path / "clips"."""

    def write_sound(name: str, seconds: float = 1.0, rate_hz: int = RATE_HZ, seed: int = 0) -> Path:
        path = tmp_path / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound(seconds, rate_hz, seed), rate_hz, subtype="FLOAT")
        return path

    return write_sound


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """-> the run folder and the file that `tenuto export` made of it, as a process."""
    skip_without_export()
    folder = tmp_path_factory.mktemp("exported")
    save(make_model(), folder / "run")
    call = [sys.executable, "-m", "tenuto.cli", "export", str(folder / "run"), str(folder / "model.onnx"), "--json"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")  # nothing of what the converter says to itself
    told = json.loads(done.stdout)
    assert told["largest_difference"] <= TOLERANCE
    assert told["n_clips"] > told["n_batches"] >= 5
    return folder / "run", folder / "model.onnx"
