"""Two runs whose classes stand in another order: each score belongs to its class, whatever its column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tenuto.experiments.answers import read_pair
from tenuto.experiments.compare import compare

LABELS = ("cat", "cow", "dog")
TRUTH = ("cat", "cow", "dog", "dog", "cat", "cow")
SCORES = np.array([
    [0.7, 0.2, 0.1],
    [0.3, 0.6, 0.1],
    [0.1, 0.3, 0.6],
    [0.5, 0.1, 0.4],
    [0.6, 0.3, 0.1],
    [0.2, 0.3, 0.5],
])  # fmt: skip


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """The same answers twice, the second time with the classes in a ring by one: no column is where it was."""
    return _write(tmp_path / "one", (0, 1, 2)), _write(tmp_path / "two", (1, 2, 0))


def _write(folder: Path, order: tuple[int, ...]) -> Path:
    lines = [",".join(["path", "label", "predicted", *(f"score:{LABELS[i]}" for i in order)])]
    for clip, (truth, scores) in enumerate(zip(TRUTH, SCORES, strict=True)):
        given = LABELS[scores.argmax()]
        lines.append(",".join([f"/d/{clip}.wav", truth, given, *(f"{scores[i]}" for i in order)]))
    folder.mkdir()
    (folder / "predictions.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_both_runs_are_read_in_one_order(runs: tuple[Path, Path]) -> None:
    one, two = read_pair(*runs)
    assert one.labels == two.labels == LABELS
    for answers in (one, two):
        np.testing.assert_array_equal(answers.scores, SCORES)
        np.testing.assert_array_equal(answers.given.argmax(1), SCORES.argmax(1))
        assert [LABELS[i] for i in answers.targets.argmax(1)] == list(TRUTH)


@pytest.mark.parametrize("metric", ["accuracy", "mAP", "AUC"])
def test_the_same_answers_change_nothing(runs: tuple[Path, Path], metric: str) -> None:
    found = compare(*runs, metric=metric, n_draws=20)
    assert 0 < found.overall.first < 1
    for each in (found.overall, *found.classes):
        assert (each.change, each.low, each.high) == (0, 0, 0)
