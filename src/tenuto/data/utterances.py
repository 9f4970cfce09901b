"""What a set of spoken commands consists of: words, voices, and every clip before it is spoken.

Every clip is decided by (seed, word, split, its number) alone: asking for more words or more clips
changes none of those there were.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tenuto.data.espeak import SAMPLE_RATE, say_word
from tenuto.errors import UsageError

# fmt: off
WORDS_10 = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
# Speech Commands v2 (Warden 2018, arXiv 1804.03209)
WORDS_35 = (
    *WORDS_10, "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "backward", "bed", "bird", "cat", "dog", "follow", "forward", "happy", "house", "learn",
    "marvin", "sheila", "tree", "visual", "wow",
)
ACCENTS = (
    "en-us", "en-us-nyc", "en", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029",
)
# espeak-ng's voice variants without its robots, strong echoes and near copies of one another
VARIANTS = (
    "f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m7", "m8", "Alex", "Andrea", "Andy",
    "Annie", "Denis", "Diogo", "Gene", "Hugo", "Mario", "Michael", "Mike", "Nguyen", "Reed", "adam",
    "anika", "aunty", "belinda", "benjamin", "boris", "caleb", "david", "edward", "grandma", "grandpa",
    "gustave", "ian", "iven3", "john", "klatt", "klatt3", "linda", "marcelo", "max", "michel", "mike2",
    "pablo", "quincy", "rob", "robert", "sandro", "shelby", "steph", "travis", "victor", "whisper",
)
# fmt: on

TEST_SHARE = 0.25  # of the variants; no variant speaks in both parts, whatever its accent
RATES = (130, 220)  # words a minute
PITCHES = (25, 75)
LONGEST_SHARE = 0.7  # of the clip, for a word in the plain voice; other voices are up to 1.3 times slower


@dataclass(frozen=True)
class SpokenSettings:
    """What a set of spoken commands consists of.

    Attributes:
        words: what is said, each word a class.
        n_train, n_test: clips a word.
        seed: decides voices, rates, pitches, places, noises and levels.
        seconds: length of a clip.
    """

    words: tuple[str, ...] = WORDS_10
    n_train: int = 100
    n_test: int = 30
    seed: int = 0
    seconds: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", check_words(self.words))
        for name in ("n_train", "n_test"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}: ask for at least one clip a word")
        if not 0.3 <= self.seconds <= 30:
            raise UsageError(f"clips of {self.seconds} s: ask for 0.3 to 30 seconds")


@dataclass(frozen=True)
class Utterance:
    """One clip before it is spoken: a row of clips.csv, and the number that decides the rest."""

    path: str
    label: str
    split: str
    voice: str
    rate: int
    pitch: int
    seed: int


def check_words(words: Sequence[str]) -> tuple[str, ...]:
    """Words with single spaces; refuses what an English voice cannot say, and words that come twice."""
    cleaned = tuple(" ".join(word.split()) for word in words)
    if len(cleaned) < 2:
        raise UsageError(f"{len(cleaned)} word(s): give at least two, they are the classes to tell apart")
    for word in cleaned:
        letters = [letter for letter in word if letter not in " '-"]
        if not letters or not all(_can_be_said(letter) for letter in letters):
            raise UsageError(
                f"cannot say {word!r}: the voices are English, so use Latin letters, digits, spaces, ' and -"
            )
    names = [_file_name(word) for word in cleaned]
    for word, name in zip(cleaned, names, strict=True):
        if names.count(name) > 1:
            raise UsageError(f"the word {word!r} comes more than once: give each word once")
    return cleaned


def _can_be_said(letter: str) -> bool:
    return (letter.isascii() and letter.isalnum()) or unicodedata.name(letter, "").startswith("LATIN ")


def _file_name(word: str) -> str:
    return word.lower().replace(" ", "_")


def speakers(seed: int) -> dict[str, tuple[str, ...]]:
    """The voices (accent+variant) of each split; a variant belongs to one split in all its accents."""
    variants = _generator(seed, "variants").permutation(VARIANTS)
    n_test = round(TEST_SHARE * len(variants))
    parts = {"train": variants[n_test:], "test": variants[:n_test]}
    return {
        split: tuple(f"{accent}+{variant}" for variant in part for accent in ACCENTS) for split, part in parts.items()
    }


def _generator(*decides: object) -> np.random.Generator:
    """Randomness that these values decide and nothing else does, in every process."""
    digest = hashlib.sha256(repr(decides).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def plan(settings: SpokenSettings) -> list[Utterance]:
    """Every clip of the set, in the order of clips.csv."""
    voices = speakers(settings.seed)
    n_clips = {"train": settings.n_train, "test": settings.n_test}
    return [
        utterance
        for word in settings.words
        for split in ("train", "test")
        for utterance in _utterances(settings, word, split, n_clips[split], voices[split])
    ]


def _utterances(
    settings: SpokenSettings, word: str, split: str, n_clips: int, voices: Sequence[str]
) -> list[Utterance]:
    """The clips of one word, which go through all voices before one speaks again."""
    order = _generator(settings.seed, word, split).permutation(len(voices))
    slowest, fastest = _rates(word, settings.seconds)
    utterances = []
    for k in range(n_clips):
        random = _generator(settings.seed, word, split, k)
        utterances.append(
            Utterance(
                path=f"{split}/{_file_name(word)}/{k:05d}.wav",
                label=word,
                split=split,
                voice=voices[order[k % len(voices)]],
                rate=int(random.integers(slowest, fastest, endpoint=True)),
                pitch=int(random.integers(*PITCHES, endpoint=True)),
                seed=int(random.integers(2**63)),
            )
        )
    return utterances


def _rates(word: str, seconds: float) -> tuple[int, int]:
    """Slowest and fastest rate at which the word is said: above `RATES` where the clip is short for it."""
    middle = sum(RATES) // 2
    needed = middle * len(say_word(word, "en-us", middle, 50, 50)) / SAMPLE_RATE / (LONGEST_SHARE * seconds)
    if needed > 2 * RATES[1]:
        longer = seconds * needed / middle
        raise UsageError(f"{word!r} is too long for clips of {seconds:g} s: ask for clips of {longer:.1f} s")
    return max(RATES[0], round(needed)), max(RATES[1], round(1.2 * needed))
