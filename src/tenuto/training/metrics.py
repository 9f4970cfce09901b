"""What a classifier is worth on labelled clips, from scores (clip, class) in [0, 1] and targets (clip, class) 0 or 1.

Macro values are means over the classes they are defined for: average precision needs a positive clip,
AUC and d-prime a positive and a negative one. Undefined values are nan.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_auroc, binary_average_precision


def accuracy(scores: Tensor, targets: Tensor, multi_label: bool = False) -> float:
    """Share of clips whose highest score is the label; with several labels a clip, of right yes/no answers at 0.5."""
    if multi_label:
        return float(((scores >= 0.5) == (targets > 0.5)).double().mean())
    return float((scores.argmax(1) == targets.argmax(1)).double().mean())


def average_precision(scores: Tensor, targets: Tensor) -> Tensor:
    """(clip, class), (clip, class) -> (class,): area under precision over recall, one class against the rest."""
    return _each_class(binary_average_precision, scores, targets, targets.any(0))


def auc(scores: Tensor, targets: Tensor) -> Tensor:
    """(clip, class), (clip, class) -> (class,): probability that a positive clip scores above a negative one."""
    return _each_class(binary_auroc, scores, targets, targets.any(0) & ~targets.all(0))


def d_prime(auc_value: float, n_pairs: int) -> float:
    """Distance in standard deviations of two normal distributions with that AUC: sqrt(2) * probit(AUC).

    A perfect AUC over `n_pairs` of a positive and a negative clip counts as half a pair wrong, so that the
    distance stays finite: no sample tells more.
    """
    if math.isnan(auc_value) or n_pairs == 0:
        return math.nan
    margin = 0.5 / n_pairs
    return math.sqrt(2) * NormalDist().inv_cdf(min(max(auc_value, margin), 1 - margin))


def confusion(scores: Tensor, targets: Tensor) -> Tensor:
    """(clip, class), (clip, class) -> (class, class) counts: row the label, column the highest score."""
    n_classes = targets.shape[1]
    cell = targets.argmax(1) * n_classes + scores.argmax(1)
    return torch.bincount(cell, minlength=n_classes**2).reshape(n_classes, n_classes)


def predicted(scores: Tensor, multi_label: bool = False) -> Tensor:
    """(clip, class) scores -> (clip, class) 0 or 1: the highest, or all at 0.5 and above."""
    if multi_label:
        return (scores >= 0.5).long()
    return torch.nn.functional.one_hot(scores.argmax(1), scores.shape[1])


def per_class(
    scores: Tensor, targets: Tensor, labels: Sequence[str], multi_label: bool = False
) -> list[dict[str, Any]]:
    """One row a class: clips, precision, recall, f1, average precision, AUC, d-prime."""
    given, truth = predicted(scores, multi_label), targets.long()
    hits, n_given, n_true = (given * truth).sum(0).tolist(), given.sum(0).tolist(), truth.sum(0).tolist()
    aps, aucs, n_clips = average_precision(scores, targets).tolist(), auc(scores, targets).tolist(), len(truth)
    return [
        {
            "label": label,
            "clips": n_true[i],
            "precision": _share(hits[i], n_given[i]),
            "recall": _share(hits[i], n_true[i]),
            "f1": _share(2 * hits[i], n_given[i] + n_true[i]),
            "average_precision": aps[i],
            "auc": aucs[i],
            "d_prime": d_prime(aucs[i], n_true[i] * (n_clips - n_true[i])),
        }
        for i, label in enumerate(labels)
    ]


def summary(scores: Tensor, targets: Tensor, multi_label: bool = False) -> dict[str, float]:
    """accuracy, and macro mAP, AUC and d-prime (of the macro AUC, as is usual)."""
    n_true = targets.long().sum(0)
    macro_auc = _mean(auc(scores, targets))
    return {
        "accuracy": accuracy(scores, targets, multi_label),
        "mAP": _mean(average_precision(scores, targets)),
        "AUC": macro_auc,
        "d_prime": d_prime(macro_auc, int((n_true * (len(targets) - n_true)).sum())),
    }


def _each_class(metric: Callable[[Tensor, Tensor], Tensor], scores: Tensor, targets: Tensor, defined: Tensor) -> Tensor:
    """`metric` of every class it is defined for, nan elsewhere."""
    values = torch.full((targets.shape[1],), math.nan, dtype=torch.float64)
    for i in defined.nonzero().flatten().tolist():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values[i] = metric(scores[:, i].double(), targets[:, i].long())
    return values


def _mean(values: Tensor) -> float:
    return float(values[~values.isnan()].mean()) if bool((~values.isnan()).any()) else math.nan


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
