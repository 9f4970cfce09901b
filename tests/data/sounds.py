"""Sound files for the tests of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

FORMATS = {
    "wav": {"format": "WAV", "subtype": "PCM_16"},
    "flac": {"format": "FLAC", "subtype": "PCM_16"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
}


def chirp(seconds: float, sample_rate: int = 16000) -> NDArray[np.float32]:
    """Half of full scale, rising from 200 Hz by 50 Hz a second: no two places alike."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.5 * np.sin(2 * np.pi * (200 + 25 * t) * t)).astype(np.float32)


def write(path: Path, samples: NDArray[np.float32], sample_rate: int = 16000, format: str | None = None) -> Path:
    """Writes (samples,) or (samples, channels), second by second: libsndfile's Vorbis encoder overflows its stack
    on a minute at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    n_channels = 1 if samples.ndim == 1 else samples.shape[1]
    settings = FORMATS[format or path.suffix[1:]]
    with soundfile.SoundFile(path, "w", samplerate=sample_rate, channels=n_channels, **settings) as sound:
        for start in range(0, len(samples), sample_rate):
            sound.write(samples[start : start + sample_rate])
    return path


def write_float(path: Path, samples: Sequence[float] | NDArray[np.float32], sample_rate: int = 16000) -> Path:
    """A wav of 32-bit floats, which can hold anything."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.asarray(samples, np.float32), sample_rate, subtype="FLOAT")
    return path


def make_folders(root: Path, counts: dict[str, int], seconds: float = 0.1, sample_rate: int = 16000) -> Path:
    """A folder of class folders, each clip a tone of its own length and pitch."""
    for k, (label, n) in enumerate(counts.items()):
        for i in range(n):
            samples = chirp(seconds * (1 + 0.1 * i), sample_rate) * (0.5 + 0.05 * k)
            write(root / label / f"{i:02d}.wav", samples, sample_rate)
    return root
