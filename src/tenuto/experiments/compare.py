"""Two runs on the same test clips: what changed for each class and overall, and how sure that is (Figure 10a)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tenuto.errors import UsageError
from tenuto.experiments import resampling
from tenuto.experiments.answers import Answers, read_pair
from tenuto.experiments.resampling import Floats
from tenuto.models.settings import unknown_name

METRICS = ("accuracy", "mAP", "AUC")
N_DRAWS = 1000


@dataclass(frozen=True)
class Change:
    """A metric of the first run, of the second, and the second minus the first with its 95 % interval over clips.

    The interval is None where fewer than two clips are there to draw from. n_clips: that the metric is of.
    """

    name: str
    n_clips: int
    first: float
    second: float
    low: float | None
    high: float | None

    @property
    def change(self) -> float:
        """Second minus first."""
        return self.second - self.first


@dataclass(frozen=True)
class Agreement:
    """McNemar's counts of clips, and his exact test's p."""

    n_both: int
    n_only_first: int
    n_only_second: int
    n_neither: int

    @property
    def p(self) -> float:
        """The chance of a split of the clips that one run alone has right that is at least as uneven."""
        return resampling.mcnemar(self.n_only_first, self.n_only_second)


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same clips; classes from the largest gain to the largest loss, undefined ones left out."""

    first: str
    second: str
    metric: str
    n_clips: int
    overall: Change
    classes: tuple[Change, ...]
    undefined: tuple[str, ...]  # classes without a test clip
    agreement: Agreement | None  # None where a clip has several labels

    @property
    def median(self) -> float:
        """Of the changes of the classes."""
        return float(np.median([each.change for each in self.classes]))


def compare(first: Path, second: Path, metric: str | None = None, n_draws: int = N_DRAWS, seed: int = 0) -> Comparison:
    """What changed from the first run folder to the second.

    Each draw of the bootstrap takes as many clips as there are, with replacement, and gives both runs the same
    ones. The interval tells how far the test clips decide, not what another seed of the training would give.

    Args:
        metric: accuracy (of a class: over its clips), mAP (its average precision) or AUC; None: mAP where a clip
            may have several labels, accuracy elsewhere
    Raises:
        UsageError: an unknown metric, a folder without predictions, or runs of other classes or clips
    """
    one, other = read_pair(first, second)
    metric = metric or ("mAP" if one.multi_label else "accuracy")
    if metric not in METRICS:
        raise UsageError(unknown_name(metric, list(METRICS), "metric"))
    if metric == "accuracy" and one.multi_label:
        raise UsageError("accuracy of clips with several labels says little about a class: wanted mAP or AUC")
    weights = resampling.draw_clips(one.n_clips, n_draws, seed)
    weights = np.hstack([np.ones((one.n_clips, 1)), weights])  # the first draw: the clips as they are
    values = [_values(answers, metric, weights) for answers in (one, other)]
    counts = one.targets.sum(0)
    changes = [_change(label, int(counts[i]), values[0][0][i], values[1][0][i]) for i, label in enumerate(one.labels)]
    defined = [each for each in changes if not np.isnan(each.change)]
    overall = _change(metric, one.n_clips, values[0][1], values[1][1])
    return Comparison(
        first=one.name,
        second=other.name,
        metric=metric,
        n_clips=one.n_clips,
        overall=overall,
        classes=tuple(sorted(defined, key=lambda each: (-each.change, each.name))),
        undefined=tuple(each.name for each in changes if np.isnan(each.change)),
        agreement=None if one.multi_label else _agreement(one, other),
    )


def as_value(found: Comparison) -> dict[str, Any]:
    """For JSON: shares from 0 to 1."""
    agreement = found.agreement
    return {
        "first": found.first,
        "second": found.second,
        "metric": found.metric,
        "clips": found.n_clips,
        "overall": _row(found.overall),
        "median_change": found.median,
        "classes": [_row(each) for each in found.classes],
        "undefined": list(found.undefined),
        "mcnemar": None
        if agreement is None
        else {
            "both": agreement.n_both,
            "only_first": agreement.n_only_first,
            "only_second": agreement.n_only_second,
            "neither": agreement.n_neither,
            "p": agreement.p,
        },
    }


def _values(answers: Answers, metric: str, weights: Floats) -> tuple[Floats, Floats]:
    """(class, draw) and overall (draw,)."""
    if metric == "accuracy":
        given, targets = answers.given, answers.targets
        return resampling.recalls(given, targets, weights), resampling.accuracies(given, targets, weights)
    measure = resampling.average_precisions if metric == "mAP" else resampling.aucs
    each = measure(answers.scores, answers.targets, weights)
    there = ~np.isnan(each)
    total = np.where(there, each, 0).sum(0)
    return each, np.divide(total, there.sum(0), out=np.full(total.shape, np.nan), where=there.any(0))


def _change(name: str, n_clips: int, first: Floats, second: Floats) -> Change:
    """Of values (draw,), the first of which is of the clips as they are."""
    drawn = (second - first)[1:]
    drawn = drawn[~np.isnan(drawn)]
    low, high = np.percentile(drawn, [2.5, 97.5]) if n_clips > 1 and len(drawn) else (None, None)
    return Change(name, n_clips, float(first[0]), float(second[0]), _plain(low), _plain(high))


def _plain(value: float | None) -> float | None:
    return None if value is None else float(value)


def _agreement(one: Answers, other: Answers) -> Agreement:
    first, second = (resampling.right(answers.given, answers.targets) for answers in (one, other))
    counts: Sequence[int] = [
        int(flags.sum()) for flags in (first & second, first & ~second, ~first & second, ~first & ~second)
    ]
    return Agreement(*counts)


def _row(each: Change) -> dict[str, Any]:
    return {
        "name": each.name, "clips": each.n_clips, "first": each.first, "second": each.second,
        "change": each.change, "low": each.low, "high": each.high,
    }  # fmt: skip
