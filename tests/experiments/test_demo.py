"""The demo: its parts on models of known speed, and the whole of it at its smallest."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tenuto.errors import UsageError
from tenuto.experiments import commands
from tenuto.experiments.demo import DemoPlan, demo
from tenuto.experiments.throughput import clips_per_second


class Sleeper(nn.Module):
    """A model that takes so many seconds a batch, and notes whose turn it is."""

    def __init__(self, seconds: float, name: str, turns: list[str]) -> None:
        super().__init__()
        self.seconds, self.name, self.turns = seconds, name, turns

    def forward(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        self.turns.append(self.name)
        time.sleep(self.seconds)
        return waveforms


def test_speed_is_measured_in_turns() -> None:
    turns: list[str] = []
    models = {"slow": Sleeper(0.1, "slow", turns), "fast": Sleeper(0.02, "fast", turns)}
    speeds = clips_per_second(models, torch.zeros(4, 10), torch.full((4,), 10), n_rounds=3)
    assert turns == ["slow", "fast"] * 4  # one round does not count
    assert speeds["slow"] <= 40  # clips a second: four in the tenth of a second that it sleeps, or longer
    assert speeds["slow"] < speeds["fast"] <= 200


def test_both_models_differ_in_their_frames_alone() -> None:
    plan = DemoPlan(Path("demo"))
    full, kept = plan.recipe("log-mel"), plan.recipe("DiffRes")
    assert (full.frontend.resolution, full.frontend.fps) == ("none", None)
    assert (kept.frontend.resolution, kept.frontend.fps) == ("diffres", 25)
    assert (full.model, full.data, full.training) == (kept.model, kept.data, kept.training)


def test_the_demo_at_its_smallest_and_again(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    plan = DemoPlan(tmp_path, ("yes", "no"), smallest=True, threads=1)
    lines: list[str] = []
    found = demo(plan, lines.append)
    assert [row["frames into the classifier"] for row in found["rows"]] == [100, 25]
    assert [row["frames a second"] for row in found["rows"]] == [100, 25]
    assert all(0 <= float(row["accuracy %"]) <= 100 for row in found["rows"])
    assert all(float(row["clips a second"]) > 0 for row in found["rows"])
    assert f"tenuto predict {tmp_path / 'diffres'} FILE" in found["text"]
    assert all(Path(path).stat().st_size > 10_000 for path in found["pictures"])
    assert (Path(found["model"]) / "model.safetensors").exists()
    assert json.loads((tmp_path / "demo.json").read_text())["rows"] == found["rows"]
    assert any(line.startswith("epoch 1/") for line in lines)
    lines.clear()
    again = demo(plan, lines.append)
    assert [row["accuracy %"] for row in again["rows"]] == [row["accuracy %"] for row in found["rows"]]
    assert not any(line.startswith(("epoch", "speaking")) for line in lines)  # nothing was done twice
    with pytest.raises(UsageError, match="holds spoken commands made with other settings"):
        demo(DemoPlan(tmp_path, ("stop", "go"), smallest=True), lines.append)


def test_words_are_chosen_one_way() -> None:
    parser = ArgumentParser()
    commands.demo_arguments(parser)
    with pytest.raises(UsageError, match="--words and --all-words are given"):
        commands.demo(parser.parse_args(["--words", "a,b", "--all-words"]), print)
    assert len(DemoPlan(Path("demo"), all_words=True).chosen_words) == 35
    assert len(DemoPlan(Path("demo")).chosen_words) == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fsdd", "--data 'fsdd': wanted NAME=FOLDER"),
        ("=x", "--data '=x': wanted NAME=FOLDER"),
        ("a b=x", "a name of letters, digits"),
    ],
)
def test_data_is_named(text: str, message: str) -> None:
    parser = ArgumentParser()
    commands.reproduce_arguments(parser)
    args = parser.parse_args(["table1", "--data", text])
    args.settings = []
    with pytest.raises(UsageError, match=message):
        commands.reproduce(args, print)


def test_numbers_are_numbers() -> None:
    parser = ArgumentParser()
    commands.reproduce_arguments(parser)
    args = parser.parse_args(["table1", "--fps", "25,fifty"])
    args.settings = []
    with pytest.raises(UsageError, match="'25,fifty': wanted numbers with commas between them"):
        commands.reproduce(args, print)
