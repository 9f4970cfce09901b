"""What stands beside a difference: the interval over clips, and how many pairs are above zero."""

from __future__ import annotations

from math import comb
from pathlib import Path

import pytest

from tenuto.experiments.compare import compare
from tenuto.experiments.statistics import bootstrap

N_CLIPS = 100


def write_run(folder: Path, wrong: range) -> Path:
    """Clips of two classes by turns, answered right but for those numbers."""
    lines = ["path,label,predicted,score:a,score:b"]
    for i in range(N_CLIPS):
        given = "ab"[(i + (i in wrong)) % 2]
        lines.append(f"/d/{i:03d}.wav,{'ab'[i % 2]},{given},{'0.8,0.2' if given == 'a' else '0.2,0.8'}")
    folder.mkdir()
    (folder / "predictions.csv").write_text("\n".join(lines) + "\n")
    return folder


def binomial_quantile(share: float) -> float:
    """The smallest share of right answers that as many tosses of a coin as there are clips reach with that chance."""
    total = 0.0
    for n in range(N_CLIPS + 1):
        total += comb(N_CLIPS, n) / 2**N_CLIPS
        if total >= share:
            return n / N_CLIPS
    raise AssertionError(share)


def test_the_interval_holds_95_percent(tmp_path: Path) -> None:
    """One clip of two is gained, so a draw's gain is as many tosses of a coin: 40 to 60 % (of 90 %: 42 to 58 %)."""
    overall = compare(
        write_run(tmp_path / "one", wrong=range(50)), write_run(tmp_path / "two", wrong=range(0)), n_draws=20_000
    ).overall
    assert (overall.change, binomial_quantile(0.025), binomial_quantile(0.975)) == (0.5, 0.4, 0.6)
    assert overall.low == pytest.approx(0.4, abs=0.0101)  # one clip, by which a share of 20,000 draws may miss
    assert overall.high == pytest.approx(0.6, abs=0.0101)


def test_a_pair_without_a_difference_is_not_above() -> None:
    result = bootstrap({("a", 0): 0.1, ("b", 0): 0.0, ("c", 0): -0.1})
    assert result is not None
    assert (result.n_above, result.n_pairs) == (1, 3)
