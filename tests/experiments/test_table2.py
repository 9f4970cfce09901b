"""Table 2: spectrograms of smaller hops, of which as many frames are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.records import record
from tenuto.errors import UsageError
from tenuto.experiments.experiment import Experiment
from tenuto.experiments.grid import Cell, Column
from tenuto.experiments.layout import paper_rows
from tenuto.experiments.page import detail_rows, difference_rows
from tenuto.experiments.paper import BEST_HOP_MS, TABLE1, TABLE2
from tenuto.experiments.plan import Plan, cells_of
from tenuto.experiments.protocols import Scale, recipe_of
from tenuto.experiments.reproduce import reproduce, stored_records
from tenuto.experiments.results import gather
from tenuto.experiments.store import Store
from tenuto.experiments.table1 import TABLE1 as FIRST
from tenuto.experiments.table2 import TABLE2 as SECOND

BASE = Cell("fsdd", "logmel", 100, "fixed", "a", 0)
SCORES = {
    BASE: 0.8,
    Cell("fsdd", "diffres", 100, "fixed", "a", 0, hop_ms=6): 0.79,
    Cell("fsdd", "diffres", 100, "fixed", "a", 0, hop_ms=3): 0.82,
}


def columns(**options: object) -> list[tuple[str, float, float]]:
    plan = Plan(SECOND, {"fsdd": Path("x")}, Path("out"), **options)  # type: ignore[arg-type]
    return [(c.method, c.fps, c.hop_ms) for c in plan.columns("fsdd")]


def test_the_log_mel_at_10_ms_and_diffres_at_the_smaller_hops() -> None:
    assert columns() == [("logmel", 100, 10), ("diffres", 100, 6), ("diffres", 100, 3), ("diffres", 100, 1)]


def test_other_rates_hops_and_methods() -> None:
    assert columns(methods=("diffres",), fps=(25.0,), hops=(10.0, 3.0)) == [("diffres", 25, 10), ("diffres", 25, 3)]
    assert ("avgpool", 100.0, 1.0) in columns(methods=("avgpool",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ("changehop",)}, "unknown method 'changehop'; valid: avgpool, convavgpool, diffres, logmel"),
        ({"hops": (20.0,)}, "hop 20: wanted milliseconds above 0 and up to 10"),
        ({"hops": (3.0,), "fps": (400.0,)}, "fps 400: wanted above 0 and below 333.333, which is all frames at a hop"),
        ({"methods": ("diffres",), "hops": (10.0,)}, "nothing to do: fps 100 is every frame there is"),
    ],
)
def test_refuses_what_makes_no_sense(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        columns(**options)


@pytest.mark.parametrize(("hop_ms", "samples"), [(10.0, 80), (6.0, 48), (3.0, 24), (1.0, 8)])
def test_the_hop_is_of_the_spectrogram_and_the_rate_of_what_is_kept(hop_ms: float, samples: int) -> None:
    method = "logmel" if hop_ms == 10 else "diffres"
    settings = recipe_of(Cell("fsdd", method, 100, "fixed", "a", 0, hop_ms), Scale(), 1.0).frontend
    assert settings.hop_length == samples  # at 8 kHz
    assert settings.reduction == pytest.approx(1 - hop_ms / 10)


def test_the_papers_layout() -> None:
    made = [record(cell, score) for cell, score in SCORES.items()]
    planned = cells_of(Plan(SECOND, {"fsdd": Path("x")}, Path("out"), seeds=(0,)), {"fsdd": ("a",)})
    results = gather(SECOND, made, planned)
    assert paper_rows(results) == [
        {
            "Task": "FSDD, fixed length",
            "10 ms, log-mel": "80.0 (97.2 ± 0.1)",
            "Metric": "accuracy",
            "FPS": "100",
            "Method": "DiffRes (proposed)",
            "6 ms": "79.0 (97.6 ± 0.0)",
            "3 ms": "82.0† (97.9 ± 0.1)",
            "1 ms": "not run (97.8 ± 0.1)",
        }
    ]
    assert [(row["hop ms"], row["mean %"]) for row in detail_rows(results)] == [
        (10, 80.0), (6, 79.0), (3, 82.0), (1, "not run")
    ]  # fmt: skip
    pairs = {(row["first"], row["second"]): row["difference"] for row in difference_rows(results)}
    assert pairs == {
        ("diffres 100 at 6 ms", "logmel 100"): "-1.0",
        ("diffres 100 at 3 ms", "logmel 100"): "+2.0",
        ("diffres 100 at 3 ms", "diffres 100 at 6 ms"): "+3.0",  # to the next larger hop
    }


def test_two_tables_may_share_a_folder(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for cell in [*SCORES, Cell("fsdd", "diffres", 25, "fixed", "a", 0)]:
        store.write(cell.name, record(cell, 0.5))
    kept: dict[str, list[str]] = {}
    for experiment in (FIRST, SECOND):
        kept[experiment.name] = [r["cell"]["hop_ms"] for r in stored_records(Plan(experiment, {}, tmp_path), store)]
    assert kept["table1"] == [10, 10]  # the log-mel and DiffRes at 25, of which the other table shows only the first
    assert sorted(kept["table2"]) == [3, 6, 10]
    finer = Cell("fsdd", "diffres", 25, "fixed", "a", 0, hop_ms=3)
    store.write(finer.name, record(finer, 0.5))  # with it there is something to compare DiffRes at 25 with
    assert len(stored_records(Plan(SECOND, {}, tmp_path), store)) == 5


def test_cells_stored_before_there_were_hops_are_what_they_were() -> None:
    old = {"data": "fsdd", "method": "logmel", "fps": 100, "length": "fixed", "fold": "a", "seed": 0}
    assert Cell(**old) == BASE  # type: ignore[arg-type]
    assert BASE.name == "fsdd.fixed.logmel.100fps.a.seed0"
    assert list(SCORES)[1].name == "fsdd.fixed.diffres.100fps.6ms.a.seed0"
    assert (
        Cell("s", "diffres", 25, "own", "a", 0, 0.5, "lambda=0.3").name
        == "s.own.diffres.25fps.0.5ms.lambda_0.3.a.seed0"
    )
    assert BASE.column == Column("logmel", 100)


def test_the_papers_numbers() -> None:
    for paper_set, numbers in TABLE2.items():
        assert list(numbers) == [10, 6, 3, 1]
        assert numbers[10].mean == TABLE1[paper_set]["logmel", 100].mean
        best = max(numbers, key=lambda hop_ms: numbers[hop_ms].mean)
        assert best == BEST_HOP_MS[paper_set]


def test_a_small_grid_on_real_recordings(real_data: Path, tmp_path: Path) -> None:
    plan = small_plan(SECOND, real_data, tmp_path, hops=(10.0, 3.0))
    lines: list[str] = []
    page = reproduce(plan, lines.append)
    assert page["failed"] == {}
    base, finer = page["rows"]
    assert (base["hop ms"], finer["hop ms"]) == (10, 3)
    assert finer["frames kept / sound"] == pytest.approx(base["frames kept / sound"], rel=0.02)  # 100 FPS both
    for run in (tmp_path / "runs").iterdir():
        assert {"curves.csv", "predictions.csv"} <= {path.name for path in run.iterdir()}
    lines.clear()
    assert reproduce(plan, lines.append)["text"] == page["text"]
    assert lines == []


def small_plan(experiment: Experiment, real_data: Path, out: Path, **options: object) -> Plan:
    scale = Scale(epochs=1, limit=2, overrides=("data.valid_share=0.3",))
    data = {"fsdd": real_data / "fsdd"}
    return Plan(experiment, data, out, seeds=(0,), folds=("lucas",), scale=scale, threads=1, **options)  # type: ignore[arg-type]
