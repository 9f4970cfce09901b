from __future__ import annotations

import pytest

from tenuto.data import espeak
from tenuto.data.utterances import (
    ACCENTS,
    VARIANTS,
    WORDS_10,
    WORDS_35,
    SpokenSettings,
    check_words,
    plan,
    speakers,
)
from tenuto.errors import UsageError


@pytest.mark.parametrize("seed", [0, 1])
def test_speakers_of_the_test_part_are_never_heard_in_training(seed: int) -> None:
    voices = speakers(seed)
    timbres = {split: {voice.partition("+")[2] for voice in part} for split, part in voices.items()}
    assert not timbres["train"] & timbres["test"]
    assert timbres["train"] | timbres["test"] == set(VARIANTS)
    for utterance in plan(SpokenSettings(("yes", "no"), n_train=20, n_test=20, seed=seed)):
        assert utterance.voice in voices[utterance.split]


def test_voices_are_used_evenly() -> None:
    settings = SpokenSettings(("yes", "no"), n_train=200, n_test=1)
    voices = [utterance.voice for utterance in plan(settings) if utterance.split == "train"][:200]
    assert len(set(voices)) == 200


def test_espeak_has_every_voice() -> None:
    assert set(VARIANTS) <= espeak.variants()
    for accent in ACCENTS:
        assert len(espeak.say("yes", accent))


def test_the_word_lists_are_those_of_speech_commands() -> None:
    assert len(set(WORDS_35)) == 35
    assert set(WORDS_10) < set(WORDS_35)


def test_words_are_cleaned_of_spaces_only() -> None:
    assert check_words((" turn   on ", "OK")) == ("turn on", "OK")


def test_long_words_are_spoken_faster_in_short_clips() -> None:
    relaxed, hurried = (plan(SpokenSettings(("forward", "left"), 8, 1, seconds=s))[:8] for s in (1.0, 0.5))
    assert max(u.rate for u in relaxed) < min(u.rate for u in hurried)


def test_bad_settings_are_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="'Stop' comes more than once"):
        SpokenSettings(("Stop", "stop"))
    with pytest.raises(UsageError, match="at least two"):
        SpokenSettings(("stop",))
    with pytest.raises(UsageError, match="n_test is 0"):
        SpokenSettings(n_test=0)
    with pytest.raises(UsageError, match=r"ask for 0\.3 to 30 seconds"):
        SpokenSettings(seconds=0)
