"""A few-data training is tested on the part that it did not learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from tenuto.experiments.fewshot import FewshotPlan, fewshot
from tenuto.experiments.store import Store

RATE_HZ = 8000
TONES_HZ = {"high": 2000, "low": 300}


def table_of_tones(folder: Path, n_train: int, n_test: int) -> Path:
    """A CSV of tones, the fold "right" labelled by what they are, the fold "swapped" by what they are not."""
    random = np.random.default_rng(0)
    time = np.arange(round(0.7 * RATE_HZ)) / RATE_HZ
    rows = ["path,label,fold"]
    for fold, n, names in (("right", n_train, ("high", "low")), ("swapped", n_test, ("low", "high"))):
        for hz, label in zip(TONES_HZ.values(), names, strict=True):
            for i in range(n):
                path = f"{fold}_{hz}_{i}.wav"
                samples = 0.3 * np.sin(2 * np.pi * hz * time) + 0.01 * random.standard_normal(len(time))
                soundfile.write(folder / path, samples, RATE_HZ)
                rows.append(f"{path},{label},{fold}")
    (folder / "tones.csv").write_text("\n".join(rows) + "\n")
    return folder / "tones.csv"


def test_the_score_is_of_test_clips(tmp_path: Path) -> None:
    """Every test clip bears the other class's label: whoever has learned the training clips is always wrong."""
    source = table_of_tones(tmp_path, n_train=4, n_test=3)
    plan = FewshotPlan(
        (source,), tmp_path / "out", sizes=(2,), models=("prototypes",), compressions=("log",), folds=("swapped",),
        repeats=1, changes={"epochs": 3}, cache=tmp_path / "cache",
    )  # fmt: skip
    fewshot(plan, lambda _: None)
    store = Store(tmp_path / "out")
    (found,) = [store.read(name) for name in store.names()]
    assert (found["n_test"], found["score"]) == (6, 0)
    assert len(found["draw"]) == 4
    assert all("right_" in path for path in found["draw"])
