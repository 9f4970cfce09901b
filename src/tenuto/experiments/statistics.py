"""Means, spreads and paired differences over folds and seeds. `Scores` maps (fold, seed) to a number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
import numpy.typing as npt

Scores = Mapping[tuple[str, int], float]


@dataclass(frozen=True)
class Spread:
    """The mean of some scores and how they vary; a standard deviation of fewer than two values is None.

    `mean` is the mean over folds of the mean over seeds. `over_seeds` is the standard deviation (n - 1) of
    the seeds' means over folds, from seeds that have every fold (the paper's spread); `over_folds` is that
    of the folds' means.
    """

    mean: float
    over_seeds: float | None
    over_folds: float | None
    n_folds: int
    n_seeds: int
    n_scores: int


@dataclass(frozen=True)
class Difference:
    """A mean paired difference and its 95 % bootstrap interval (None for a single pair)."""

    mean: float
    low: float | None
    high: float | None
    n_pairs: int
    n_above: int  # pairs in which the first is better

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def spread(scores: Scores) -> Spread:
    """Mean and standard deviations of scores by fold and seed; raises ValueError where there are none."""
    if not scores:
        raise ValueError("no scores to take the mean of")
    folds, seeds, matrix = _matrix(scores)
    fold_means = [_mean(row) for row in matrix]
    seed_means = [fmean(column) for column in matrix.T if not np.isnan(column).any()]
    return Spread(
        fmean(fold_means), _deviation(seed_means), _deviation(fold_means), len(folds), len(seeds), len(scores)
    )


def paired(first: Scores, second: Scores) -> dict[tuple[str, int], float]:
    """`first` minus `second` for every fold and seed that both have."""
    return {key: first[key] - second[key] for key in sorted(first) if key in second}


def bootstrap(differences: Scores, n_draws: int = 10_000, seed: int = 0) -> Difference | None:
    """The mean difference with a percentile interval of 95 %; None where there is no pair.

    Folds and seeds are drawn with replacement, each for itself (the pigeonhole bootstrap of Owen, Annals of
    Applied Statistics 2007), since a fold's difficulty is shared by all seeds and a seed's luck by all folds.
    Pairs that were not run have no weight. With few folds and seeds the interval is too narrow rather than
    too wide.
    """
    if not differences:
        return None
    values = list(differences.values())
    _, _, matrix = _matrix(differences)
    low, high = _interval(_draws(matrix, n_draws, seed)) if len(values) > 1 else (None, None)
    return Difference(fmean(values), low, high, len(values), sum(value > 0 for value in values))


def _draws(matrix: npt.NDArray[np.float64], n_draws: int, seed: int) -> npt.NDArray[np.float64]:
    """(fold, seed) -> means of so many redrawn tables, without the draws that hit nothing but holes."""
    n_folds, n_seeds = matrix.shape
    random = np.random.default_rng(seed)
    folds = random.multinomial(n_folds, np.full(n_folds, 1 / n_folds), n_draws).astype(float)  # draw, fold
    seeds = random.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), n_draws).astype(float)  # draw, seed
    there = ~np.isnan(matrix)
    total = np.einsum("df,fs,ds->d", folds, np.where(there, matrix, 0.0), seeds)
    weight = np.einsum("df,fs,ds->d", folds, there.astype(float), seeds)
    return np.asarray(total[weight > 0] / weight[weight > 0])


def _interval(draws: npt.NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def _matrix(scores: Scores) -> tuple[list[str], list[int], npt.NDArray[np.float64]]:
    """Scores as (fold, seed), NaN where there is none."""
    folds = sorted({fold for fold, _ in scores})
    seeds = sorted({seed for _, seed in scores})
    matrix = np.full((len(folds), len(seeds)), np.nan)
    for (fold, seed), score in scores.items():
        matrix[folds.index(fold), seeds.index(seed)] = score
    return folds, seeds, matrix


def _mean(row: npt.NDArray[np.float64]) -> float:
    return float(np.nanmean(row))


def _deviation(values: list[float]) -> float | None:
    return stdev(values) if len(values) > 1 else None
