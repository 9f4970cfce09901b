"""`tenuto reproduce` from the command line: tables of what is there, and calls that are refused in one line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from experiments.records import record
from repository.source import ROOT
from tenuto.cli import main
from tenuto.experiments.grid import Cell
from tenuto.experiments.protocols import MAX_FIXED_SECONDS
from tenuto.experiments.registry import EXPERIMENTS
from tenuto.experiments.store import Store
from tenuto.files import write_text


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


def test_the_help_says_to_what_length_your_own_clips_are_cropped(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["reproduce", "-h"])
    told = " ".join(capsys.readouterr().out.split())
    seconds = f"at most {MAX_FIXED_SECONDS:g} s"
    assert f"whose clips tables pad or crop to the longest one's length, {seconds} (see --length)" in told
    assert seconds in (ROOT / "docs" / "reproduce.md").read_text(encoding="utf-8")


def _files_of_the_page() -> list[tuple[str, str]]:
    """(experiments, files) of each row of the table of files in docs/reproduce.md."""
    page = (ROOT / "docs" / "reproduce.md").read_text(encoding="utf-8")
    rows = page.split("| file | of which experiments |")[1].split("\n\n")[0].splitlines()[2:]
    return [(experiments, files) for _, files, experiments, *_ in (row.split("|") for row in rows)]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_page_says_which_files_there_are(name: str, tmp_path: Path) -> None:
    store_of(tmp_path)
    for cell in Store(tmp_path).names():
        write_text(tmp_path / "curves" / f"{cell}.csv", "epoch,guide_loss,activeness\n1,0.2,0.1\n")
    promised = set()
    for experiments, files in _files_of_the_page():
        named = re.findall(r"`(\w+)`", experiments)
        if (name not in named) if "all" in experiments else (name in named):
            first, *others = re.findall(r"`(.*?)`", files)
            stem = first.removesuffix("".join(Path(first).suffixes))
            promised |= {first} | {other if "NAME" in other else stem + other for other in others}
    assert main(["reproduce", name, "--out", str(tmp_path)]) == 0
    written = {
        path.name.replace(f"{name}_fsdd_fixed", "NAME_DATA_LENGTH").replace(name, "NAME")
        for path in tmp_path.glob("*.*")
    }
    assert written == promised


def test_a_folder_without_anything_of_the_table_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store_of(tmp_path)
    assert main(["reproduce", "figure7", "--out", str(tmp_path)]) == 2  # cells, but none of their curves
    assert "holds no curves of its trainings" in capsys.readouterr().err
