"""Figure 5: the throughput of this machine, measured small, and what is refused before anything is measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tenuto.cli import main
from tenuto.experiments.figures.figure5 import measure
from tenuto.inference.benchmark import Size

FRONT_ENDS = ["Mel", "LEAF", "Mel + DiffRes"]


def test_figure_5_and_its_page(tmp_path: Path) -> None:
    size = Size(n_rounds=1, batch_size=1, seconds=0.3, n_bands=16, backbone="sbcnn", fps=(25.0,))
    found = measure(size, tmp_path)
    rows = found.value["throughput"]["rows"]
    assert [row["front end"] for row in rows] == FRONT_ENDS
    assert all(row["audio s a second"]["median"] > 0 for row in rows)
    assert "Figure 5: sbcnn, batch 1, clips of 0.3 s" in found.text
    assert sorted(path.name for path in found.files) == ["benchmark.json", "benchmark.md", "throughput.png"]
    assert all(path.stat().st_size for path in found.files)


def test_the_papers_figure_5_is_the_default() -> None:
    size = Size()
    assert (size.backbone, size.n_bands, size.fps) == ("efficientnet_b2", 128, (25, 50, 75, 100))


def test_options_reach_the_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[Size, Path]] = []

    def measured(size: Size, folder: Path, say: object) -> object:
        from tenuto.experiments.figures.request import Drawn

        asked.append((size, folder))
        return Drawn("text", [folder / "a.png"], {"threads": torch.get_num_threads()})

    monkeypatch.setattr("tenuto.experiments.figures.figure5.measure", measured)
    n_threads = torch.get_num_threads()
    options = ["--fps", "25,75", "--backbone", "sbcnn", "--rounds", "3", "--threads", str(n_threads)]
    assert main(["reproduce", "figure5", *options, "--out", str(tmp_path), "--json"]) == 0
    assert asked == [(Size(n_rounds=3, backbone="sbcnn", fps=(25.0, 75.0)), tmp_path)]
    value = json.loads(capsys.readouterr().out)
    assert value == {"figure": "figure5", "threads": n_threads, "written": [str(tmp_path / "a.png")]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--fps", "125"], "frame rates 125: wanted above 0 and at most 100"),
        (["--rounds", "0"], "rounds 0: wanted above 0"),
        (["--threads", "0"], "--threads 0: wanted 1 or more"),
        (["--out", "speed.png"], "speed.png: figure5 writes numbers too; wanted a folder"),
        (["--run", "a"], "figure5 has no use for --run: it takes --fps, --backbone, --threads, --rounds and --out"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", "figure5", *options]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
