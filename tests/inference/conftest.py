"""A small real model and small real files that the tests of inference share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from inference.material import RATE_HZ, make_model, sound
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
