"""Marks and shares of a table: against the baseline, on what both have."""

from __future__ import annotations

import pytest

from experiments.records import record
from tenuto.experiments.fsd50k import FSD50K_AT_15FPS
from tenuto.experiments.grid import Cell, Column
from tenuto.experiments.layout import paper_rows
from tenuto.experiments.results import gather
from tenuto.experiments.table2 import TABLE2

HEADS = ("10 ms, log-mel", "6 ms", "3 ms", "1 ms")


def test_the_mark_of_an_average_is_for_those_not_below_the_baselines() -> None:
    scores = {
        "fsdd": {10.0: 0.8, 6.0: 0.9, 3.0: 0.9, 1.0: 0.8},
        "philharmonia": {10.0: 0.6, 6.0: 0.4, 3.0: 0.6, 1.0: 0.6},
    }
    made = [
        record(Cell(data, "logmel" if hop_ms == 10 else "diffres", 100, "fixed", "a", 0, hop_ms), score)
        for data, by_hop in scores.items()
        for hop_ms, score in by_hop.items()
    ]
    *_, average = paper_rows(gather(TABLE2, made))
    assert average["Task"] == "Average"
    assert [str(average[head]).partition(" (")[0] for head in HEADS] == ["70.0", "65.0", "75.0†", "70.0†"]


def test_training_time_is_compared_on_the_cells_of_both() -> None:
    base, padded = Column("logmel", 100), Column("diffres", 15)
    seconds = {base: {"a": 100.0, "b": 300.0, "c": 900.0}, padded: {"a": 50.0, "b": 70.0, "d": 800.0}}
    made = [
        record(Cell("fsd50k", column.method, column.fps, "fixed", fold, 0), 0.5, found={"training_seconds": each})
        for column, by_fold in seconds.items()
        for fold, each in by_fold.items()
    ]
    assert gather(FSD50K_AT_15FPS, made).time_share("fsd50k", padded) == pytest.approx(120 / 400)
