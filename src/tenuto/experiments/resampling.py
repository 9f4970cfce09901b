"""Metrics of each class under many redrawings of the test clips at once: the bootstrap over clips.

`weights` is (clip, draw): how often a clip is in a draw. Ones are the clips as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def draw_clips(n_clips: int, n_draws: int, seed: int = 0) -> Floats:
    """(clip, draw) counts of so many draws of n_clips from n_clips, with replacement."""
    random = np.random.default_rng(seed)
    counts: Floats = random.multinomial(n_clips, np.full(n_clips, 1 / n_clips), n_draws).T.astype(np.float64)
    return counts


def recalls(given: Flags, targets: Flags, weights: Floats) -> Floats:
    """(clip, class), (clip, class) -> (class, draw): the share of a class's clips that were answered right."""
    hits = (given & targets).T.astype(np.float64) @ weights
    return _share(hits, targets.T.astype(np.float64) @ weights)


def accuracies(given: Flags, targets: Flags, weights: Floats) -> Floats:
    """(clip, class), (clip, class) -> (draw,): the share of clips that were answered right."""
    share: Floats = right(given, targets).astype(np.float64) @ weights / weights.sum(0)
    return share


def right(given: Flags, targets: Flags) -> Flags:
    """(clip, class), (clip, class) -> (clip,): answers that are the label."""
    return np.asarray((given == targets).all(1))


def average_precisions(scores: Floats, targets: Flags, weights: Floats) -> Floats:
    """(clip, class), (clip, class) -> (class, draw): sum over thresholds of precision x gain in recall.

    Clips of the same score pass a threshold together. NaN for a class without a clip in the draw.
    """
    return _each_class(_average_precision, scores, targets, weights)


def aucs(scores: Floats, targets: Flags, weights: Floats) -> Floats:
    """(clip, class), (clip, class) -> (class, draw): how often a class's clip scores above another; ties are halves."""
    return _each_class(_auc, scores, targets, weights)


def mcnemar(n_only_first: int, n_only_second: int) -> float:
    """Two-sided exact p that clips which one of two models alone has right fall to either with equal chance.

    McNemar (1947), in the binomial form. Without such a clip: 1.
    """
    n = n_only_first + n_only_second
    tail = sum(comb(n, k) for k in range(min(n_only_first, n_only_second) + 1))
    chance: float = (2 * tail) / 2**n  # whole numbers until the division: exact for any n
    return min(1.0, chance)


def _each_class(metric: Callable[[Floats, Floats], Floats], scores: Floats, targets: Flags, weights: Floats) -> Floats:
    """`metric` of (score group, draw) weights of positive and of all clips, from the highest score down."""
    found = np.empty((scores.shape[1], weights.shape[1]))
    for i in range(scores.shape[1]):
        order = np.argsort(-scores[:, i], kind="stable")
        sorted_scores, drawn = scores[order, i], weights[order]
        starts = np.flatnonzero(np.concatenate([[True], np.diff(sorted_scores) != 0]))
        positive = np.add.reduceat(drawn * targets[order, i, None], starts, axis=0)
        found[i] = metric(positive, np.add.reduceat(drawn, starts, axis=0))
    return found


def _average_precision(positive: Floats, total: Floats) -> Floats:
    """(group, draw), (group, draw) -> (draw,)."""
    precision = _share(positive.cumsum(0), total.cumsum(0), 0.0)
    return _share((positive * precision).sum(0), positive.sum(0))


def _auc(positive: Floats, total: Floats) -> Floats:
    """(group, draw), (group, draw) -> (draw,)."""
    negative = total - positive
    below = negative.sum(0) - negative.cumsum(0)
    return _share((positive * (below + negative / 2)).sum(0), positive.sum(0) * negative.sum(0))


def _share(part: Floats, whole: Floats, undefined: float = np.nan) -> Floats:
    share: Floats = np.divide(part, whole, out=np.full(part.shape, undefined), where=whole > 0)
    return share
