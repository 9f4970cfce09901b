"""Audio files to mono float32 at a wanted sample rate, whole or in part, and one reason why not.

Files are read forward, block by block, until nothing comes: the number of samples that a header announces is
not believed (MP3 files without one are announced from their size, tags included). MP3 is never entered by
seeking: seeks in variable bit rate files are a guess of the decoder, off by whole seconds, so the samples before
are decoded and dropped (some 1,500 times faster than real time). Ogg is entered with care, for reasons below.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, gcd
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from tenuto.data.formats import announced_seconds, fault
from tenuto.errors import UsageError, WorkError

_BLOCK = 1 << 18  # samples read at a time: 6 s at 44.1 kHz
# libsndfile is off by some hundred samples in the last page of Ogg Vorbis, and Opus takes a moment to settle: Ogg is
# entered a second early and before its last page, which holds at most 255 packets of (as encoders make them) 2048.
_OGG_PAGE = 255 * 2048
_MARGIN_SECONDS = 0.05  # read on either side of a part, so that the resampling filter sees what is there


class AudioError(WorkError):
    """A file that cannot be read as audio: `.path` and `.reason`, one line."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(os.fspath(path), reason)  # both are arguments, so that it survives pickling
        self.path = Path(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class AudioFacts:
    """What is in a file, in its own sample rate."""

    n_samples: int
    sample_rate: int
    n_channels: int
    format: str
    peak: float | None = None
    """Largest absolute sample of the mono mix, if the file was decoded."""
    announced_seconds: float | None = None
    """Length that the header announces, if the file was decoded and is cut off."""

    @property
    def seconds(self) -> float:
        return self.n_samples / self.sample_rate


def read(
    path: str | os.PathLike[str], sample_rate: int, start_seconds: float = 0.0, seconds: float | None = None
) -> NDArray[np.float32]:
    """Reads a file, or `seconds` of it from `start_seconds` on: (samples,), mono, in [-1, 1].

    Several channels become their mean. A part equals the same samples of the whole (it is resampled with what
    stands around it); one that reaches beyond the end is shorter. Files of floating-point samples may exceed
    [-1, 1] and are left as they are. Silence is no error.

    Raises:
        AudioError: missing, empty, not audio, corrupt, NaN or infinity in it, or a start beyond its end.
        UsageError: a negative start or a length that is not positive.
    """
    if start_seconds < 0 or (seconds is not None and not seconds > 0):
        raise UsageError(f"cannot read {seconds} s from {start_seconds} s: wanted a start of 0 or later, more than 0 s")
    with _open(path) as sound:
        native = sound.samplerate
        first = _half_up(start_seconds * sample_rate)
        n_wanted = None if seconds is None else max(1, _half_up(seconds * sample_rate))
        # The part starts on a sample that both rates share: 0, n_shared, 2 n_shared, ... of the output.
        n_shared = sample_rate // gcd(sample_rate, native)
        margin = ceil(_MARGIN_SECONDS * sample_rate)
        before = max(0, first - margin) // n_shared * n_shared
        start = before * native // sample_rate
        stop = None if n_wanted is None else ceil((first + n_wanted + margin) * native / sample_rate)
        blocks = list(_blocks(sound, path, start, stop))
    if not blocks and start == 0:
        raise AudioError(path, "no samples in it")
    samples = _resample(np.concatenate(blocks), native, sample_rate) if blocks else np.zeros(0, np.float32)
    part = samples[first - before : None if n_wanted is None else first - before + n_wanted]
    if not len(part):
        raise AudioError(path, f"ends before {start_seconds:g} s, where reading was to start")
    return np.ascontiguousarray(part)


def facts(path: str | os.PathLike[str]) -> AudioFacts:
    """Length, sample rate, channels and format: from the header where it can be trusted, else by decoding.

    Raises:
        AudioError: as `read`, except for faults that only decoding shows.
    """
    with _open(path) as sound:
        n_samples = sound.frames
        if _announced_only(sound) or n_samples > 1 << 40:  # FLAC from a pipe announces 2^63
            n_samples = sum(map(len, _blocks(sound, path)))
        if n_samples < 1:
            raise AudioError(path, "no samples in it")
        return AudioFacts(n_samples, sound.samplerate, sound.channels, sound.format)


def scan(path: str | os.PathLike[str]) -> AudioFacts:
    """Decodes the whole file once, in constant memory, and says what is in it.

    Raises:
        AudioError: as `read`.
    """
    n_samples, peak = 0, 0.0
    with _open(path) as sound:
        for block in _blocks(sound, path):
            n_samples += len(block)
            peak = max(peak, float(np.abs(block).max()))
        if n_samples < 1:
            raise AudioError(path, "no samples in it")
        announced = announced_seconds(sound.extra_info, n_samples / sound.samplerate)
        return AudioFacts(n_samples, sound.samplerate, sound.channels, sound.format, peak, announced)


def duration_seconds(path: str | os.PathLike[str]) -> float:
    """Length of a file in seconds; raises AudioError as `facts`."""
    return facts(path).seconds


def n_resampled(n_samples: int, native_rate: int, sample_rate: int) -> int:
    """Samples that `n_samples` at `native_rate` become at `sample_rate`: to the nearest, at least 1."""
    return max(1, (2 * n_samples * sample_rate + native_rate) // (2 * native_rate))


def blocks(
    path: str | os.PathLike[str], sample_rate: int, window_seconds: float, hop_seconds: float | None = None
) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Windows of a recording of any length, in memory of one window: (start in seconds, (samples,)) each.

    The last window is what is left, unless the one before already reached the end. The file is decoded once.

    Raises:
        AudioError: as `read`, when the window that shows it is reached; and behind the last one where the header
            announces more than the file holds.
        UsageError: a window or hop that is not positive.
    """
    hop_seconds = window_seconds if hop_seconds is None else hop_seconds
    n_window, n_hop = _half_up(window_seconds * sample_rate), _half_up(hop_seconds * sample_rate)
    if n_window < 1 or n_hop < 1:
        raise UsageError(f"windows of {window_seconds} s every {hop_seconds} s: both must be positive")
    held, start = np.zeros(0, np.float32), 0  # held: the recording from sample `start` on
    end_of_last = 0
    for chunk in _stream(path, sample_rate):
        held = np.concatenate([held, chunk])
        while len(held) >= max(n_window, n_hop):
            yield start / sample_rate, held[:n_window].copy()
            end_of_last = start + n_window
            held, start = held[n_hop:], start + n_hop
    if len(held) and start + len(held) > end_of_last:
        yield start / sample_rate, held[:n_window].copy()
    _check_whole(path)


def _check_whole(path: str | os.PathLike[str]) -> None:
    with _open(path) as sound:
        if _announced_only(sound):
            return
        there = sound.frames / sound.samplerate
        announced = announced_seconds(sound.extra_info, there)
    if announced is not None:
        raise AudioError(path, f"cut off (its header announces {announced:.2f} s, {there:.2f} s are there)")


def _stream(path: str | os.PathLike[str], sample_rate: int) -> Iterator[NDArray[np.float32]]:
    """The whole file in resampled pieces."""
    n_native, n_out = 0, 0
    with _open(path) as sound:
        resampler = soxr.ResampleStream(sound.samplerate, sample_rate, 1, dtype="float32")
        for block in _blocks(sound, path):
            n_native += len(block)
            piece = block if sound.samplerate == sample_rate else resampler.resample_chunk(block)
            n_out += len(piece)
            yield piece
        if not n_native:
            raise AudioError(path, "no samples in it")
        n_left = n_resampled(n_native, sound.samplerate, sample_rate) - n_out
        if n_left > 0:
            yield _exactly(resampler.resample_chunk(np.zeros(0, np.float32), last=True), n_left)


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is read forward: soundfile seeks after each read of a seekable one, which breaks MP3."""

    def seekable(self) -> bool:
        return False


@contextmanager
def _open(path: str | os.PathLike[str]) -> Iterator[_Forward]:
    """Opens for reading; everything that goes wrong inside becomes an AudioError."""
    try:
        if (reason := fault(path)) is not None:
            raise AudioError(path, reason)
        with _Forward(os.fspath(path)) as sound:
            yield sound
    except UnicodeEncodeError:
        raise AudioError(path, "its name is not UTF-8: rename it") from None
    except soundfile.LibsndfileError as error:
        text = " ".join(error.error_string.split()).rstrip(".") or f"libsndfile error {error.code}"
        raise AudioError(path, f"corrupt, or not what its header says ({text})") from None
    except FileNotFoundError:
        raise AudioError(path, "no such file") from None
    except IsADirectoryError:
        raise AudioError(path, "a folder, not a file") from None
    except OSError as error:
        raise AudioError(path, f"cannot be opened ({error.strerror or error})") from None


def _blocks(
    sound: _Forward, path: str | os.PathLike[str], start: int = 0, stop: int | None = None
) -> Iterator[NDArray[np.float32]]:
    """Mono blocks of samples `start` to `stop` (None: the end) of a file just opened."""
    position = _entry(sound, start)
    if position:
        sound.seek(position)
    while stop is None or position < stop:
        n_next = _BLOCK if stop is None else min(_BLOCK, stop - position)
        block = sound.read(n_next, "float32", always_2d=True)
        if not len(block):
            return
        mono = block[max(0, start - position) :].mean(axis=1)
        position += len(block)
        if not np.isfinite(mono).all():
            raise AudioError(path, f"NaN or infinity in it (before {position / sound.samplerate:.2f} s)")
        if len(mono):
            yield mono


def _entry(sound: _Forward, start: int) -> int:
    """The last sample at or before `start` from which decoding is exact."""
    if _announced_only(sound):
        return 0
    start = min(start, int(sound.frames))
    if sound.format != "OGG":
        return start
    return int(max(0, min(start - sound.samplerate, sound.frames - _OGG_PAGE)))


def _announced_only(sound: _Forward) -> bool:
    """Whether the number of samples is the header's guess and seeking is the decoder's (MPEG audio)."""
    return bool(sound.format == "MP3" or sound.subtype.startswith("MPEG_LAYER"))


def _resample(samples: NDArray[np.float32], native_rate: int, sample_rate: int) -> NDArray[np.float32]:
    if native_rate == sample_rate:
        return samples
    n_out = n_resampled(len(samples), native_rate, sample_rate)
    return _exactly(soxr.resample(samples, native_rate, sample_rate), n_out)


def _exactly(samples: NDArray[np.float32], n_samples: int) -> NDArray[np.float32]:
    """The first `n_samples`, zeros after the end."""
    return np.pad(samples[:n_samples], (0, max(0, n_samples - len(samples))))


def _half_up(value: float) -> int:
    return int(value + 0.5)
