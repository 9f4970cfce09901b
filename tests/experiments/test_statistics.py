"""Means, spreads and paired bootstrap intervals against literal calculations."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from tenuto.experiments.statistics import bootstrap, paired, spread

SCORES = {("a", 0): 0.5, ("a", 1): 0.7, ("b", 0): 0.9, ("b", 1): 0.8}


def deviation(values: list[float]) -> float:
    """Standard deviation with n - 1, by its definition."""
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def test_spread_by_its_definition() -> None:
    result = spread(SCORES)
    assert result.mean == pytest.approx((0.5 + 0.7 + 0.9 + 0.8) / 4)
    assert result.over_seeds == pytest.approx(deviation([(0.5 + 0.9) / 2, (0.7 + 0.8) / 2]))
    assert result.over_folds == pytest.approx(deviation([(0.5 + 0.7) / 2, (0.9 + 0.8) / 2]))
    assert (result.n_folds, result.n_seeds, result.n_scores) == (2, 2, 4)


def test_spread_needs_two_values() -> None:
    result = spread({("a", 0): 0.5, ("b", 0): 0.7})
    assert result.over_seeds is None
    assert result.over_folds == pytest.approx(deviation([0.5, 0.7]))
    with pytest.raises(ValueError, match="no scores"):
        spread({})


def test_an_unfinished_seed_does_not_count_as_a_seed_mean() -> None:
    result = spread({**SCORES, ("a", 2): 0.0})  # fold b of seed 2 has not been run
    assert result.over_seeds == spread(SCORES).over_seeds
    assert result.mean == pytest.approx(((0.5 + 0.7 + 0.0) / 3 + (0.9 + 0.8) / 2) / 2)
    assert (result.n_seeds, result.n_scores) == (3, 5)


def test_pairs_are_what_both_have() -> None:
    other = {("a", 1): 0.5, ("b", 0): 1.0, ("c", 0): 0.1}
    assert paired(SCORES, other) == {("a", 1): pytest.approx(0.2), ("b", 0): pytest.approx(-0.1)}


def exact_draws(matrix: np.ndarray) -> list[float]:
    """The mean of every equally likely redrawn table: all ways to draw folds times all to draw seeds."""
    n_folds, n_seeds = matrix.shape
    means = []
    for folds in itertools.product(range(n_folds), repeat=n_folds):
        for seeds in itertools.product(range(n_seeds), repeat=n_seeds):
            values = [matrix[f, s] for f in folds for s in seeds if not np.isnan(matrix[f, s])]
            if values:
                means.append(sum(values) / len(values))
    return means


@pytest.mark.parametrize("hole", [False, True])
def test_interval_is_that_of_all_redrawn_tables(hole: bool) -> None:
    matrix = np.random.default_rng(1).normal(0.02, 0.05, (4, 3))
    if hole:
        matrix[1, 2] = np.nan
    pairs = {(f"{f}", s): matrix[f, s] for f in range(4) for s in range(3) if not np.isnan(matrix[f, s])}
    result = bootstrap(pairs, n_draws=40_000)
    low, high = np.percentile(exact_draws(matrix), [2.5, 97.5])
    assert result is not None
    assert result.low == pytest.approx(low, abs=0.001)  # 40,000 draws, deviation of a mean about 0.02
    assert result.high == pytest.approx(high, abs=0.001)
    assert result.mean == pytest.approx(np.nanmean(matrix))
    assert result.n_pairs == 12 - hole
    assert result.n_above == int((matrix > 0).sum())


def test_the_same_difference_everywhere_leaves_no_doubt() -> None:
    result = bootstrap({(fold, seed): 0.1 for fold in "abcd" for seed in range(3)})
    assert result is not None
    assert (result.low, result.high) == (pytest.approx(0.1), pytest.approx(0.1))
    assert result.certain


def test_seeds_that_share_a_sign_per_fold_do_not_make_folds_certain() -> None:
    signs = {"a": 1, "b": -1, "c": 1, "d": -1}
    result = bootstrap({(fold, seed): 0.1 * sign for fold, sign in signs.items() for seed in range(50)})
    assert result is not None
    assert not result.certain  # fifty seeds do not make up for four folds


def test_one_pair_has_no_interval_and_no_pair_no_difference() -> None:
    assert bootstrap({}) is None
    result = bootstrap({("a", 0): 0.1})
    assert result is not None
    assert (result.mean, result.low, result.high, result.certain) == (0.1, None, None, False)


def test_the_same_draws_every_time() -> None:
    assert bootstrap(SCORES) == bootstrap(SCORES)
