"""Run folders of small models, and sounds in class folders, that figures are drawn of."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from inference.material import LABELS, RATE_HZ, make_model, sound
from tenuto.models.checkpoint import save


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs: diffres, convavgpool and avgpool."""
    folder = tmp_path_factory.mktemp("runs")
    for resolution in ("diffres", "convavgpool", "avgpool"):
        save(make_model(resolution), folder / resolution)
    return folder


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of class folders with two clips each."""
    folder = tmp_path_factory.mktemp("clips")
    for label in LABELS:
        (folder / label).mkdir()
        for number in range(2):
            soundfile.write(folder / label / f"{number}.wav", sound(0.5, seed=number), RATE_HZ, subtype="FLOAT")
    return folder
