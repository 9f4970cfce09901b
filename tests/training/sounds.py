"""Tiny labelled sounds that a small network can tell apart, and the smallest recipe for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from tenuto.training.recipe import Recipe, load_recipe

SAMPLE_RATE = 8000
HZ = {"low": 300.0, "middle": 900.0, "high": 2700.0}


def make_sounds(folder: Path, n_a_class: int = 8, folds: int = 0) -> Path:
    """Folder of class folders of tones in noise, 0.15 to 0.3 s; with `folds` also a clips.csv with folds."""
    random = np.random.default_rng(0)
    rows = ["path,label,fold"]
    for label, hz in HZ.items():
        (folder / label).mkdir(parents=True)
        for i in range(n_a_class):
            time = np.arange(int(SAMPLE_RATE * random.uniform(0.15, 0.3))) / SAMPLE_RATE
            sound = 0.5 * np.sin(2 * np.pi * hz * random.uniform(0.9, 1.1) * time)
            soundfile.write(folder / label / f"{i}.wav", sound + random.normal(0, 0.05, len(time)), SAMPLE_RATE)
            rows.append(f"{label}/{i}.wav,{label},{i % max(1, folds)}")
    if folds:
        (folder / "clips.csv").write_text("\n".join(rows) + "\n")
    return folder


SMALL = (
    "frontend.sample_rate=8000",
    "frontend.n_fft=256",
    "frontend.win_length=200",
    "frontend.hop_length=80",
    "frontend.n_mels=16",
    "frontend.resolution=diffres",
    "frontend.fps=50",
    "data.batch_size=8",
    "data.valid_share=0.25",
    "training.epochs=3",
    "training.threads=1",
    "training.device=cpu",
)


def small_recipe(*overrides: str) -> Recipe:
    """A recipe that trains in a second."""
    return load_recipe(None, [*SMALL, *overrides])
