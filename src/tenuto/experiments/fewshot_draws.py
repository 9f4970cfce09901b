"""Which clips a training of the few-data laboratory gets: by lot, the same for every model and compression."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from random import Random

from tenuto.data.clips import Clip, ClipTable
from tenuto.data.splits import Parts, split
from tenuto.errors import UsageError
from tenuto.experiments.protocols import NO_FOLD


def parts_of(table: ClipTable, fold: str) -> Parts:
    """Training pool and test part of a fold (or of the `split` column): no validation, nothing of it by repeat."""
    return split(table, None if fold == NO_FOLD else fold, valid_share=0.0, seed=0)


def draw(parts: Parts, table: ClipTable, n: int, fold: str, repeat: int, seed: int) -> tuple[Clip, ...]:
    """n training clips of each label, by lot: class after class, in the order of the lots.

    The lots depend on seed, fold and repeat alone (and on the pool), so that models and compressions share them, and
    the clips of a smaller n are the first of those of a larger one.

    Raises:
        UsageError: a class with fewer clips.
    """
    drawn: list[Clip] = []
    for label in parts.labels:
        pool = sorted(
            (clip for clip in parts.train if clip.labels == (label,)), key=lambda clip: table.shown(clip.path)
        )
        if len(pool) < n:
            raise UsageError(f"n={n}: only {len(pool)} training clips of {label!r} (fold {fold}): choose a smaller n")
        Random(f"{seed}/{fold}/{repeat}/{label}").shuffle(pool)
        drawn += pool[:n]
    return tuple(drawn)


def n_smallest(parts: Iterable[Parts]) -> int:
    """The largest n that every class of every fold can give."""
    return min(min(Counter(clip.labels[0] for clip in each.train).values()) for each in parts)


def seed_of(seed: int, n: int, fold: str, repeat: int) -> int:
    """The seed of first weights, patches and dropout of a draw's trainings, 63 bits."""
    digest = hashlib.sha256(f"{seed}/{n}/{fold}/{repeat}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
