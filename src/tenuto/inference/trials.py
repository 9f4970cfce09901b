"""What an exported model is checked on: sounds of several lengths, alone and in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tenuto.data.audio import AudioError, read
from tenuto.inference.inputs import PathLike, find_files
from tenuto.inference.predict import windows_of
from tenuto.inference.predictions import LeftOut
from tenuto.models.classifier import Classifier

_MOST_CLIPS = 64  # that are read to check on
_BATCH = 4
_SYNTHETIC_SECONDS = (1.0, 0.37, 3.3)
_TOO_LOUD = 1e30  # its square is beyond float32


class Trial(NamedTuple):
    """A batch: waveforms float32 (batch, samples), zero beyond lengths int64 (batch,), the longest of which it has."""

    waveforms: NDArray[np.float32]
    lengths: NDArray[np.int64]


def synthetic(model: Classifier) -> list[Trial]:
    """Bursts of noise and tones: batches of one, two and three clips, of a second or so and of a few samples.

    The last is far too loud, beside a clip that is not.
    """
    rate, hop = model.sample_rate, model.frontend.filterbank.hop_length
    usual = [int(seconds * rate) for seconds in _SYNTHETIC_SECONDS]
    usual[0] = int((model.clip_seconds or 1.0) * rate)
    sizes = [[usual[0]], usual[1:], [usual[0], hop + 1, 3 * hop], [hop // 2 + 1], [hop + 1, hop]]
    return [batch([_sound(n, rate, seed) for seed, n in enumerate(each)]) for each in sizes] + [_too_loud(model)]


def _too_loud(model: Classifier) -> Trial:
    """A clip as it should be, one with a sample far beyond [-1, 1], one of such samples alone: no answer to these."""
    clips = [_sound(int(_SYNTHETIC_SECONDS[0] * model.sample_rate), model.sample_rate, seed) for seed in range(3)]
    clips[1][len(clips[1]) // 2] = _TOO_LOUD
    clips[2] *= _TOO_LOUD
    return batch(clips)


def of_files(model: Classifier, inputs: PathLike | Sequence[PathLike]) -> tuple[list[Trial], list[LeftOut]]:
    """Files, and folders of them (64 files at most, evenly taken): what the model hears at once of each.

    The first of them one by one too. Beside them what cannot be read, and why.

    Raises:
        AudioError: where nothing can be read.
    """
    files, empty = find_files(inputs)
    chosen = files[:: -(-len(files) // _MOST_CLIPS)] if files else []
    window, _, _ = windows_of(model)
    clips, left_out = [], [LeftOut(*item) for item in empty]
    for path in chosen:
        try:
            clips.append(read(path, model.sample_rate, 0.0, window))
        except AudioError as error:
            left_out.append(LeftOut(str(path), error.reason))
    if not clips:
        more = f"; {len(left_out) - 1} more cannot be read either" if len(left_out) > 1 else ""
        raise AudioError(left_out[0].file, f"{left_out[0].reason}{more}")
    alone = [batch([clip]) for clip in clips[:_BATCH]]
    return alone + [batch(clips[i : i + _BATCH]) for i in range(0, len(clips), _BATCH)], left_out


def batch(clips: Sequence[NDArray[np.float32]]) -> Trial:
    """Clips, each (samples,), padded with zeros to the longest."""
    lengths = np.array([len(clip) for clip in clips], dtype=np.int64)
    waveforms = np.zeros((len(clips), lengths.max()), dtype=np.float32)
    for row, clip in zip(waveforms, clips, strict=True):
        row[: len(clip)] = clip
    return Trial(waveforms, lengths)


def _sound(n_samples: int, rate_hz: int, seed: int) -> NDArray[np.float32]:
    """Bursts of noise over a gliding tone, with silence between: (samples,)."""
    seconds = np.arange(n_samples) / rate_hz
    noise = np.random.default_rng(seed).standard_normal(n_samples)
    tone = np.sin(2 * np.pi * (0.02 * rate_hz + 0.01 * rate_hz * seconds) * seconds)
    heard = np.sin(2 * np.pi * (1.3 + seed) * seconds) > -0.2
    return ((0.1 * noise + 0.2 * tone) * heard).astype(np.float32)
