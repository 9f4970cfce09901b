"""Figure 10b: columns, the store it shares with Table 2, scores over compute, the picture and the page."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest

from experiments.records import record
from tenuto.cli import main
from tenuto.errors import UsageError
from tenuto.experiments.compute import flops_a_second
from tenuto.experiments.figure10 import FIGURE10
from tenuto.experiments.grid import Cell, Column
from tenuto.experiments.plan import Plan
from tenuto.experiments.protocols import Scale, recipe_of
from tenuto.experiments.registry import EXPERIMENTS
from tenuto.experiments.reproduce import reproduce
from tenuto.experiments.store import Store
from tenuto.experiments.trade_off_page import hop_ms
from tenuto.training.recipe import flatten

SCORES = {
    Cell("fsdd", "changehop", 25, "fixed", "a", 0): 0.7,
    Cell("fsdd", "logmel", 100, "fixed", "a", 0): 0.8,
    Cell("fsdd", "logmel", 1000 / 3, "fixed", "a", 0, hop_ms=3): 0.9,
    Cell("fsdd", "diffres", 100, "fixed", "a", 0, hop_ms=3): 0.88,
    Cell("fsdd", "avgpool", 25, "fixed", "a", 0): 0.5,  # of another table
}


def store_of(out: Path) -> None:
    for cell, score in SCORES.items():
        Store(out).write(cell.name, made(cell, score))


def made(cell: Cell, score: float = 0.5) -> dict[str, Any]:
    """A record with the cell's own recipe, of 16 bands so that counting is quick."""
    recipe = recipe_of(cell, Scale(overrides=("frontend.n_mels=16",)), 0.5)
    return record(cell, score, recipe={**flatten(recipe), "limit": None})


def test_columns_are_log_mels_of_any_hop_and_diffres_on_the_smaller_ones() -> None:
    columns = Plan(FIGURE10, {}, Path("out")).columns("fsdd")
    assert {(c.method, round(c.fps, 1), c.hop_ms) for c in columns} == {
        ("logmel", 100.0, 10), ("changehop", 25.0, 10), ("changehop", 50.0, 10), ("logmel", 166.7, 6),
        ("logmel", 333.3, 3), ("diffres", 100.0, 6), ("diffres", 100.0, 3),
    }  # fmt: skip
    assert sorted({round(hop_ms(c)) for c in columns}) == [3, 6, 10, 20, 40]


def test_a_log_mel_of_a_small_hop_reaches_the_classifier_with_all_its_frames() -> None:
    recipe = recipe_of(Cell("fsdd", "logmel", 1000 / 3, "fixed", "a", 0, hop_ms=3), Scale(), 1.0)
    assert (recipe.frontend.resolution, recipe.frontend.fps) == ("none", None)
    assert recipe.frontend.hop_length == round(0.003 * recipe.frontend.sample_rate)


def test_cells_of_table_2_and_of_table_1_are_shared() -> None:
    assert FIGURE10.store == EXPERIMENTS["table2"].name
    small, coarse = Column("diffres", 100.0, hop_ms=3.0), Column("changehop", 25.0)
    assert FIGURE10.covered([small, coarse, Column("avgpool", 25.0)]) == {small, coarse}
    assert EXPERIMENTS["table2"].covered([Column("logmel", 1000 / 3, hop_ms=3.0), coarse]) == set()


def test_what_a_classifier_computes_grows_with_the_frames_that_reach_it() -> None:
    flops = {cell: flops_a_second(made(cell)["recipe"]) for cell in SCORES}
    coarse, base, fine, diffres, _ = flops.values()
    assert coarse.classifier < base.classifier < fine.classifier
    assert fine.classifier / base.classifier == pytest.approx(10 / 3, rel=0.2)
    assert base.classifier < diffres.classifier < 0.6 * fine.classifier  # it has three channels


def test_the_front_ends_share_is_the_sum_of_its_layers() -> None:
    log_mel = made(Cell("fsdd", "logmel", 1000 / 3, "fixed", "a", 0, hop_ms=3))["recipe"]
    n_frames, n_bands, n_bins = 167, 16, log_mel["frontend.n_fft"] // 2 + 1  # of half a second at a hop of 3 ms
    mel = 2 * n_frames * n_bins * n_bands / 0.5  # multiply and add are two
    assert flops_a_second(log_mel).frontend == pytest.approx(mel)
    pairs = zip((n_bands, 64, 32, 16, 8), (64, 32, 16, 8, 1), strict=True)
    convolutions = sum(5 * (n_in * n_out + n_out * n_out) for n_in, n_out in pairs)  # two a block, kernel 5
    diffres = made(Cell("fsdd", "diffres", 100, "fixed", "a", 0, hop_ms=3))["recipe"]
    wanted = mel + 2 * n_frames * convolutions / 0.5
    assert flops_a_second(diffres).frontend == pytest.approx(wanted, rel=0.05)  # the warp is not much


def test_a_second_of_audio_is_a_second_however_long_the_clip() -> None:
    recipe = made(Cell("fsdd", "logmel", 100, "fixed", "a", 0))["recipe"]
    long = flops_a_second({**recipe, "data.clip_seconds": 2.0, "a.key_of_the_future": 1})
    assert long.total == pytest.approx(flops_a_second(recipe).total, rel=0.1)


def test_the_page_has_scores_over_compute(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store_of(tmp_path)
    assert main(["reproduce", "figure10", "--out", str(tmp_path), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    names = {Path(path).name for path in value["files"]}
    assert {"figure10.md", "figure10_fsdd_fixed.png", "figure10_fsdd_fixed.svg", "figure10_compute.csv"} <= names
    assert "Figure 10b, scores over compute, from less to more" in value["text"]
    assert any(line.startswith("Compute: floating-point operations") for line in value["notes"])
    with (tmp_path / "figure10_compute.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["method"], row["hop ms"], row["score %"]) for row in rows] == [
        ("log-mel", "40", "70.0"),
        ("log-mel", "10", "80.0"),
        ("log-mel + DiffRes", "3", "88.0"),
        ("log-mel", "3", "90.0"),
    ]
    relative = [float(row["relative"]) for row in rows]
    assert relative[1] == 1
    assert relative == sorted(relative)
    pixels = matplotlib.image.imread(tmp_path / "figure10_fsdd_fixed.png")[..., :3]
    assert (pixels.min(axis=-1) < 0.9).mean() > 0.01


def test_without_the_log_mel_of_10_ms_there_is_nothing_to_be_relative_to(tmp_path: Path) -> None:
    cell = Cell("fsdd", "diffres", 100, "fixed", "a", 0, hop_ms=3)
    Store(tmp_path).write(cell.name, made(cell))
    assert main(["reproduce", "figure10", "--out", str(tmp_path)]) == 0
    assert not list(tmp_path.glob("figure10_*.png"))
    assert (tmp_path / "figure10.md").exists()


def test_hops_and_frame_rates_are_those_of_the_methods() -> None:
    for option in ({"fps": (25.0,)}, {"hops": (3.0,)}):
        with pytest.raises(UsageError, match=f"{next(iter(option))}: each method of figure10 has its own"):
            Plan(FIGURE10, {}, Path("out"), **option)  # type: ignore[arg-type]
    assert "--fps" not in Plan(FIGURE10, {}, Path("out")).command  # so that it can be given again


def test_a_small_grid_on_real_recordings(real_data: Path, tmp_path: Path) -> None:
    scale = Scale(epochs=1, limit=2, overrides=("data.valid_share=0.3", "frontend.n_mels=16"))
    methods, data = ("logmel", "logmel-20ms", "diffres-6ms"), {"fsdd": real_data / "fsdd"}
    plan = Plan(FIGURE10, data, tmp_path, methods, folds=("lucas",), seeds=(0,), scale=scale, threads=1)
    page = reproduce(plan, lambda line: None)
    assert page["failed"] == {}
    with (tmp_path / "figure10_compute.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["method"], row["hop ms"]) for row in rows] == [
        ("log-mel", "20"), ("log-mel", "10"), ("log-mel + DiffRes", "6"),
    ]  # fmt: skip
    assert {float(row["score %"]) for row in rows} == {row["mean %"] for row in page["rows"]}
    assert (tmp_path / "figure10_fsdd_fixed.png").exists()
