from __future__ import annotations

import sys

import numpy as np
import pytest

from tenuto.data import espeak
from tenuto.data.utterances import VARIANTS
from tenuto.errors import UsageError, WorkError


def test_the_same_call_says_the_same_whatever_was_said_before() -> None:
    first = {variant: espeak.say("seven", f"en-us+{variant}") for variant in VARIANTS}
    for variant, samples in first.items():
        espeak.say("something else altogether", "en-gb-scotland+m2", rate=120)
        np.testing.assert_array_equal(espeak.say("seven", f"en-us+{variant}"), samples, variant)


@pytest.mark.parametrize("voice", ["en-us+f3", "en-gb-scotland+klatt", "en-029+whisper"])
def test_a_word_lasts_as_long_as_a_word_and_is_heard(voice: str) -> None:
    samples = espeak.say("seven", voice)
    assert 0.25 < len(samples) / espeak.ESPEAK_RATE < 0.9
    assert 0.05 < np.abs(samples).max() < 1.0


def test_rate_and_pitch_act() -> None:
    slow, fast = (len(espeak.say("forward", rate=rate)) for rate in (120, 240))
    assert slow > 1.3 * fast
    low, high = (_pitch_hz(espeak.say("four", pitch=pitch, pitch_range=0)) for pitch in (20, 80))
    assert high > 1.3 * low


def _pitch_hz(samples: np.ndarray) -> float:
    """By the highest peak of the autocorrelation between 60 and 400 Hz."""
    middle = samples[len(samples) // 2 :][:4096]
    correlation = np.correlate(middle, middle, "full")[len(middle) - 1 :]
    shortest, longest = espeak.ESPEAK_RATE // 400, espeak.ESPEAK_RATE // 60
    return espeak.ESPEAK_RATE / (shortest + int(np.argmax(correlation[shortest:longest])))


def test_unknown_voices_and_silence_are_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="no voice 'xx-nowhere'"):
        espeak.say("yes", "xx-nowhere")
    with pytest.raises(UsageError, match="no voice variant 'nobody'"):
        espeak.say("yes", "en-us+nobody")
    with pytest.raises(UsageError, match="cannot say"):
        espeak.say("...")


def test_without_the_package_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(WorkError, match=r'^[^\n]*pip install "tenuto\[demo\]"[^\n]*$'):
        espeak.say("yes")


def test_words_are_told_apart() -> None:
    """Two voices agree on a word more than on different words, in mean log spectra of four quarters."""
    words = ("yes", "off", "right")
    one, other = ([_shape(word, voice) for word in words] for voice in ("en-us+m3", "en-us+f1"))
    alike = np.array([[float(np.sum(a * b)) for b in other] for a in one])
    assert (alike.argmax(axis=1) == np.arange(len(words))).all()


def _shape(word: str, voice: str) -> np.ndarray:
    quarters = np.array_split(espeak.say(word, voice), 4)
    bands = [np.array_split(np.abs(np.fft.rfft(quarter, 8192))[:2048] ** 2, 16) for quarter in quarters]
    shape = np.log([[band.mean() + 1e-3 for band in row] for row in bands])
    return (shape - shape.mean(axis=0)) / np.linalg.norm(shape - shape.mean(axis=0))
