"""Speech from text: a ctypes binding to the espeak-ng library that the package espeakng-loader carries.

espeak-ng 1.52 keeps its glottal phase, flutter and noise between utterances, so that what it says depends on
what it said before. `say` therefore loads the library anew for each utterance and unloads it after (3 ms), and
starts the numbers by lot anew, its own and those of the C library, which are the breath of some voices: the same
call always gives the same samples, in any order and any process.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenuto.errors import UsageError, WorkError

ESPEAK_RATE = 22050  # samples a second that espeak-ng synthesises
SAMPLE_RATE = 16000  # of `say_word`
LOUDNESS = 60  # percent of espeak's default: its louder voices clip at 100

# from espeak-ng's speak_lib.h
_OUTPUT_SYNCHRONOUS = 2
_DO_NOT_EXIT = 0x8000
_UTF8 = 1
_RATE, _VOLUME, _PITCH, _PITCH_RANGE = 1, 2, 3, 4
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

_one_at_a_time = threading.Lock()  # espeak-ng is not thread safe


def _find() -> tuple[str, str]:
    """The library and the folder that holds espeak-ng-data."""
    try:
        loader = import_module("espeakng_loader")
    except ImportError:
        raise WorkError(
            'making spoken commands needs espeak-ng: pip install "tenuto[demo]" (the package espeakng-loader)'
        ) from None
    return loader.get_library_path(), os.path.dirname(loader.get_data_path())


def variants() -> frozenset[str]:
    """Names of the voice variants that the installed espeak-ng carries."""
    return frozenset(path.name for path in (Path(_find()[1]) / "espeak-ng-data" / "voices" / "!v").iterdir())


def _open(library: str, data: str) -> ctypes.CDLL:
    try:
        espeak = ctypes.CDLL(library)
    except OSError as error:
        raise WorkError(f"espeak-ng at {library} does not load on this machine: {error}") from None
    if espeak.espeak_Initialize(_OUTPUT_SYNCHRONOUS, 0, os.fsencode(data), _DO_NOT_EXIT) != ESPEAK_RATE:
        raise WorkError(f"espeak-ng does not start with its data in {data}: reinstall espeakng-loader")
    espeak.espeak_ng_SetRandSeed(ctypes.c_long(1))  # else it is the time of day
    ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None).srand(1)  # else what the process has drawn so far
    return espeak


def _close(espeak: ctypes.CDLL) -> None:
    espeak.espeak_Terminate()
    foreign: Any = import_module("_ctypes")
    (foreign.FreeLibrary if sys.platform == "win32" else foreign.dlclose)(espeak._handle)


def say(
    text: str, voice: str = "en-us", rate: int = 175, pitch: int = 50, pitch_range: int = 50
) -> NDArray[np.float32]:
    """Speaks `text`.

    Args:
        text: what to say.
        voice: an accent and, after a plus, a variant: "en-us", "en-gb-scotland+f3".
        rate: words a minute, 80 to 450.
        pitch: 0 to 99, 50 is the voice's own.
        pitch_range: 0 (monotone) to 99.

    Returns:
        (samples,) in [-1, 1] at `ESPEAK_RATE`.

    Raises:
        UsageError: espeak-ng has no such voice, or said nothing.
        WorkError: espeak-ng is not installed or does not load.
    """
    accent, _, variant = voice.partition("+")
    if variant and variant not in variants():
        raise UsageError(f"no voice variant {variant!r} in espeak-ng: take one of {', '.join(sorted(variants()))}")
    blocks: list[NDArray[np.int16]] = []

    def keep(samples: Any, n_samples: int, _events: int | None) -> int:
        if samples and n_samples > 0:
            blocks.append(np.ctypeslib.as_array(samples, (n_samples,)).copy())
        return 0

    callback = _CALLBACK(keep)  # must outlive the synthesis
    with _one_at_a_time:
        espeak = _open(*_find())
        try:
            espeak.espeak_SetSynthCallback(callback)
            if espeak.espeak_SetVoiceByName(voice.encode()) != 0:
                raise UsageError(f"no voice {accent!r} in espeak-ng: take for instance en-us or en-gb-scotland")
            for parameter, value in (
                (_RATE, rate),
                (_VOLUME, LOUDNESS),
                (_PITCH, pitch),
                (_PITCH_RANGE, pitch_range),
            ):
                espeak.espeak_SetParameter(parameter, value, 0)
            encoded = text.encode() + b"\0"
            espeak.espeak_Synth(encoded, ctypes.c_size_t(len(encoded)), 0, 0, 0, _UTF8, None, None)
        finally:
            _close(espeak)
    if not blocks or not any(block.any() for block in blocks):
        raise UsageError(f"espeak-ng cannot say {text!r}: write a word")
    return np.asarray(np.concatenate(blocks) / 32768, dtype=np.float32)


def say_word(word: str, voice: str, rate: int, pitch: int, pitch_range: int) -> NDArray[np.float32]:
    """(samples,) of the word at 16 kHz, as `say` but without the silence before and after it."""
    import soxr

    samples = soxr.resample(say(word, voice, rate, pitch, pitch_range), ESPEAK_RATE, SAMPLE_RATE)
    sounding = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return np.asarray(samples[sounding[0] : sounding[-1] + 1], dtype=np.float32)
