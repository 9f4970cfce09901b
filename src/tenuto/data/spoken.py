"""Spoken commands made on the spot: words by many synthetic voices, anywhere in a noisy second.

An interrupted set goes on where it stopped, and gives the files an uninterrupted one would have given.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tenuto.data.espeak import SAMPLE_RATE, say_word
from tenuto.data.utterances import WORDS_10, WORDS_35, SpokenSettings, Utterance, plan
from tenuto.errors import UsageError
from tenuto.files import atomic_write, read_json, write_json

__all__ = ["WORDS_10", "WORDS_35", "SpokenSettings", "make_spoken_commands", "render"]

COLUMNS = ("path", "label", "split", "voice", "rate", "pitch")
PITCH_RANGES = (20, 80)
SNR_DB = (10.0, 40.0)  # of the word's mean power over the noise's
CLEAN_SHARE = 0.1  # of the clips: digital silence round the word
PEAK_DB = (-20.0, -1.0)  # of the clip, below full scale


def coloured_noise(n_samples: int, exponent: float, random: np.random.Generator) -> NDArray[np.float32]:
    """(samples,), mean power 1, falling as 1/f^exponent (0 white, 1 pink, 2 brown), flat below 50 Hz."""
    spectrum = np.fft.rfft(random.standard_normal(n_samples))
    frequencies_hz = np.maximum(np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE), 50.0)
    spectrum *= frequencies_hz ** (-exponent / 2)
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, n_samples)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)), dtype=np.float32)


def render(utterance: Utterance, seconds: float = 1.0) -> NDArray[np.float32]:
    """The clip of an utterance: (samples,) in [-1, 1] at 16 kHz, the word anywhere in it, noise all over it.

    A word that is longer than the clip all the same (a very slow voice) loses its end.
    """
    random = np.random.default_rng(utterance.seed)
    n_samples = round(seconds * SAMPLE_RATE)
    pitch_range = int(random.integers(*PITCH_RANGES, endpoint=True))
    word = say_word(utterance.label, utterance.voice, utterance.rate, utterance.pitch, pitch_range)[:n_samples]
    clip = np.zeros(n_samples, dtype=np.float32)
    start = int(random.integers(n_samples - len(word), endpoint=True))
    clip[start : start + len(word)] = word
    noise = coloured_noise(n_samples, random.uniform(0, 2), random)
    level = float(np.sqrt(np.mean(word**2))) * 10 ** (-random.uniform(*SNR_DB) / 20)
    clip += noise * (level if random.random() >= CLEAN_SHARE else 0.0)
    return np.asarray(clip * (10 ** (random.uniform(*PEAK_DB) / 20) / np.abs(clip).max()), dtype=np.float32)


def make_spoken_commands(
    folder: str | Path,
    words: Sequence[str] = WORDS_10,
    *,
    n_train: int = 100,
    n_test: int = 30,
    seed: int = 0,
    seconds: float = 1.0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Makes the set in `folder`: 16 kHz wav files and clips.csv (path, label, split, voice, rate, pitch).

    Goes on where an interrupted call stopped and returns at once where all is there; clips.csv comes last.

    Args:
        folder: where; made if missing. One with anything else in it is refused.
        words, n_train, n_test, seed, seconds: see `SpokenSettings`.
        progress: called with (clips that are there, clips in all) after each.

    Returns:
        The path of clips.csv.

    Raises:
        UsageError: a word that cannot be said, a number out of range, or a folder with something else in it.
        WorkError: espeak-ng is not installed.
    """
    settings = SpokenSettings(tuple(words), n_train, n_test, seed, seconds)
    folder = Path(folder)
    utterances = plan(settings)
    _claim(folder, settings)
    missing = [utterance for utterance in utterances if not (folder / utterance.path).exists()]
    for k, utterance in enumerate(missing, start=len(utterances) - len(missing) + 1):
        _write_clip(folder / utterance.path, render(utterance, seconds))
        if progress is not None:
            progress(k, len(utterances))
    table = folder / "clips.csv"
    if missing or not table.exists():
        _write_table(table, utterances)
    return table


def _claim(folder: Path, settings: SpokenSettings) -> None:
    """Writes what the set consists of, or refuses a folder that holds another."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder for the clips")
    wanted = {**asdict(settings), "words": list(settings.words)}
    note = folder / "spoken.json"
    if note.exists():
        if read_json(note) != wanted:
            raise UsageError(
                f"{folder} holds spoken commands made with other settings (see {note}): "
                "choose another folder, or delete it"
            )
    else:
        _refuse_others(folder)
        write_json(note, wanted)


def _refuse_others(folder: Path) -> None:
    """Refuses a folder with things of one's own in it: clips.csv would be read in their place from then on."""
    names = sorted(os.listdir(folder)) if folder.exists() else []
    others = [name for name in names if not name.startswith(".") and not name.endswith(".part")]
    if others:
        raise UsageError(
            f"{folder} holds other things ({others[0]}) and no spoken commands: name an empty folder, or a new one"
        )


def _write_clip(path: Path, samples: NDArray[np.float32]) -> None:
    import soundfile

    with atomic_write(path) as beside:
        soundfile.write(beside, samples, SAMPLE_RATE, format="WAV", subtype="PCM_16")


def _write_table(path: Path, utterances: Sequence[Utterance]) -> None:
    with atomic_write(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([getattr(utterance, column) for column in COLUMNS] for utterance in utterances)
