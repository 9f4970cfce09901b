"""`tenuto reproduce` from the command line: tables of what is there, and calls that are refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.records import record
from tenuto.cli import main
from tenuto.experiments.grid import Cell
from tenuto.experiments.registry import EXPERIMENTS
from tenuto.experiments.store import Store


def store_of(out: Path) -> None:
    for cell, score in (
        (Cell("fsdd", "logmel", 100, "fixed", "a", 0), 0.8),
        (Cell("fsdd", "diffres", 100, "fixed", "a", 0, hop_ms=3), 0.9),
        (Cell("fsdd", "diffres", 25, "fixed", "a", 0), 0.7),
        (Cell("fsdd", "diffres", 25, "fixed", "a", 0, variant="no-max"), 0.6),
        (Cell("fsdd", "diffres", 25, "fixed", "a", 0, variant="lambda=1"), 0.65),
    ):
        Store(out).write(cell.name, record(cell, score))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("table1", ["25  not run (93.5 ± 0.1)", "70.0 (95.0 ± 0.3)"]),
        ("table2", ["90.0† (97.9 ± 0.1)"]),
        ("figure8", ["no maximum", "60.0"]),
        ("sweep-lambda", ["λ = 0.5", "70.0 (95.0 ± 0.3)", "65.0"]),
        ("sweep-dilation", ["80.0 (97.2 ± 0.1)", "not run"]),
        ("fsd50k-15fps", ["80.0", "not run"]),
    ],
)
def test_a_table_of_what_is_there(
    name: str, wanted: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store_of(tmp_path)
    assert main(["reproduce", name, "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert all(text in told for text in wanted)
    assert (tmp_path / f"{name}.md").read_text().startswith(f"# {EXPERIMENTS[name].title}\n")


def test_json_is_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store_of(tmp_path)
    assert main(["reproduce", "table2", "--out", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["mean %"] for row in found["rows"]] == [80.0, 90.0]
    assert found["failed"] == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["table9"], "invalid choice: 'table9'"),
        (["table2", "--hops", "20"], "hop 20: wanted milliseconds above 0 and up to 10"),
        (["table2", "--hops", "a"], "'a': wanted numbers with commas between them"),
        (["table3", "--methods", "mell"], "unknown method 'mell'; nearest: mel"),
        (["figure6"], "holds no results yet: name data with --data NAME=FOLDER"),
        (["table2", "--data", "x=nowhere"], "nowhere: no such folder or file"),
    ],
)
def test_refusals_are_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", *words, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.startswith("tenuto: ")
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_without_anything_of_the_table_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store_of(tmp_path)
    assert main(["reproduce", "figure7", "--out", str(tmp_path)]) == 2  # cells, but none of their curves
    assert "holds no curves of its trainings" in capsys.readouterr().err
