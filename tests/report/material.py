"""A clip that the tests of pictures draw."""

from __future__ import annotations

import numpy as np

from tenuto.inference.placement import place
from tenuto.report.plots import ClipPicture


def clip_picture(n_frames: int = 200, n_kept: int = 50, title: str = "a.wav: dog 0.93") -> ClipPicture:
    """A sweep with silence behind it, where the sound has most of the importance."""
    generator = np.random.default_rng(0)
    frames = np.arange(n_frames)
    empty = frames >= 0.7 * n_frames
    spectrogram = generator.normal(-4, 1, (32, n_frames))
    spectrogram[(frames * 31 // n_frames), frames] = 3
    spectrogram[:, empty] = -15.9
    importance = np.where(empty, 0.1, 1.0)
    importance *= n_kept / importance.sum()
    placed = place(importance, n_kept, 0.01)
    channels = {name: generator.normal(-4, 2, (32, n_kept)) for name in ("mean", "maximum", "encoding")}
    return ClipPicture(
        title=title, spectrogram=spectrogram, frame_seconds=0.01, empty=empty, importance=importance,
        channels=channels, kept_seconds=placed.centre_seconds, edge_seconds=placed.edge_seconds,
        band_hz=np.geomspace(60, 7800, 32), notes=("200 frames, 50 kept", "and another note"),
    )  # fmt: skip
