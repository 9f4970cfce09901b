"""The verb `benchmark` at its smallest, as a process and in parts; what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tenuto.cli import main
from tenuto.errors import UsageError
from tenuto.inference.benchmark import FIGURE5, Size, frontends, layers, throughput
from tenuto.inference.machine import machine, machine_line
from tenuto.inference.timing import Spread
from training.sounds import make_sounds

SMALLEST = "--rounds 1 --seconds 0.3 --batch-size 1 --threads 1 --bands 16 --backbone sbcnn --fps 25,100 --clips 4"


@pytest.fixture
def small() -> Size:
    return Size(n_rounds=2, batch_size=1, seconds=0.3, n_bands=16, backbone="sbcnn", fps=(50.0, 100.0))


def test_the_verb_as_a_process(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "tenuto.cli", "benchmark", *SMALLEST.split(), "--json"]
    command += ["--out", str(tmp_path / "speed"), "data.batch_size=2", "frontend.n_mels=16"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    value = json.loads(done.stdout)
    assert value["machine"]["threads"] == 1
    assert value["machine"]["torch"] == torch.__version__
    assert [name for name in value if name not in ("machine", "written")] == [
        "layers",
        "frontends",
        "throughput",
        "pipeline",
    ]
    row = value["throughput"]["rows"][0]
    assert (row["front end"], row["frames a second"]) == ("Mel", 25)
    assert row["audio s a second"]["smallest"] <= row["audio s a second"]["median"]
    assert "The limit is" in value["pipeline"]["limit"]
    assert "pipeline: round 1 of 1" in done.stderr
    names = ["benchmark.json", "benchmark.md", "layers.png", "frontends.png", "throughput.png", "pipeline.png"]
    assert [Path(path).name for path in value["written"]] == names
    assert all(Path(path).stat().st_size > 1000 for path in value["written"])
    saved = json.loads((tmp_path / "speed" / "benchmark.json").read_text())
    assert saved == {name: each for name, each in value.items() if name != "written"}
    page = (tmp_path / "speed" / "benchmark.md").read_text()
    assert page.count("| DiffRes ") == 3
    assert "1 threads" in page


def test_one_part_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "frontends", "--cpu-time", *SMALLEST.split()]) == 0
    out = capsys.readouterr().out
    assert out.startswith(machine_line(machine()))
    assert "LEAF with PCEN, 40 filters" in out
    assert "CPU time" in out
    assert "Throughput" not in out


def test_layers_at_three_lengths(small: Size) -> None:
    rows = layers(small)
    assert sorted({row["frames"] for row in rows}) == [30, 90, 300]
    assert len(rows) == 3 * 7
    copies = [row for row in rows if row["layer"] == "copy"]
    assert all(row["forward, copies"] == Spread(1, 1, 1) for row in copies)
    at_most = {row["layer"]: row["both, ms"].smallest for row in rows if row["frames"] == 300}
    assert at_most["copy"] < at_most["DiffRes"]


def test_front_ends_train_where_there_is_something_to_train(small: Size) -> None:
    rows = {row["front end"]: row for row in frontends(small)}
    assert len(rows) == 12
    assert rows["LEAF with PCEN, 64 filters"]["parameters"] == 448
    assert rows["mel, learned log"]["parameters"] == 2
    assert [name for name, row in rows.items() if row["both, log-mels"] is None] == ["log-mel", "log-mel, 1 ms hop"]
    assert rows["log-mel"]["forward, log-mels"] == Spread(1, 1, 1)
    assert rows["log-mel"]["audio s a second"].largest > rows["LEAF with PCEN, 40 filters"]["audio s a second"].smallest


def test_figure_5_has_every_front_end_at_every_rate(small: Size) -> None:
    lines: list[str] = []
    rows = throughput(small, lines.append)
    assert [(row["front end"], row["frames a second"]) for row in rows] == [
        (name, fps) for fps in (50.0, 100.0) for name in FIGURE5
    ]
    for row in rows:
        assert row["audio s a second"].median == pytest.approx(0.3 * row["clips a second"].median)
        assert (row["time, over Mel"] is None) == (row["front end"] == "Mel")
    assert lines == ["classifiers: round 1 of 2", "classifiers: round 2 of 2"]


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        ("layer", "unknown part 'layer'; nearest: layers"),
        ("throughput --fps 25,x", "--fps '25,x': wanted numbers with commas between them"),
        ("throughput --fps 25,200", "frame rates 25, 200: wanted above 0 and at most 100"),
        ("throughput --fps ,", "frame rates none: wanted above 0"),
        ("layers --rounds 0", "rounds 0: wanted above 0"),
        ("layers --threads 0", "--threads 0: wanted 1 or more"),
        ("layers --device tpu", "--device tpu cannot be used ("),
        ("layers training.epochs=3", "training.epochs=3 is for the pipeline: name it as a part"),
        ("pipeline --clips 0", "0 clips in 7 rounds: wanted at least one of each"),
        ("pipeline --data no/such/folder", "no/such/folder: no such folder or file"),
        ("pipeline training.epoch=3", "unknown setting 'training.epoch'; nearest: training.epochs"),
        ("throughput --backbone efficientnet_b22 --rounds 1", "unknown backbone 'efficientnet_b22'"),
    ],
)
def test_a_wrong_call_is_one_line(call: str, wanted: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", *call.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith(f"tenuto: {wanted}")
    assert len(err.splitlines()) == 1


def test_sizes_make_sense() -> None:
    with pytest.raises(UsageError, match="seconds 0: wanted above 0"):
        Size(seconds=0)
    assert Size(seconds=0.5, batch_size=3).waveforms().shape == (3, 8000)


def test_a_machine_is_described_without_its_name() -> None:
    found = machine()
    assert found["cores"] >= 1
    assert found["processor"]
    line = machine_line({**found, "gpu": "NVIDIA H100"})
    assert f"{found['cores']} cores, {found['threads']} threads, NVIDIA H100, " in line
    assert "/" not in line


def test_a_pipeline_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sounds = make_sounds(tmp_path / "sounds", n_a_class=3)
    words = f"pipeline --data {sounds} --rounds 1 --clips 6 --threads 1 --json data.batch_size=3 data.workers=0"
    assert main(["benchmark", *words.split()]) == 0
    rows = {row["stage"]: row for row in json.loads(capsys.readouterr().out)["pipeline"]["rows"]}
    assert list(rows) == [
        "decode .wav",
        "batches from files",
        "batches from decoded audio",
        "front end",
        "backbone",
        "training step",
        "training from files",
        "training from decoded audio",
    ]
    assert all(row["clips a second"]["median"] > 0 for row in rows.values())
    assert rows["batches from files"]["what"].endswith("in this process")
