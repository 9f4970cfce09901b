"""The few-data laboratory from data to tables: real clips, once each, gone on with, refused, and as a process."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from tenuto.data.audio import read
from tenuto.data.sets import find_clips
from tenuto.errors import UsageError
from tenuto.experiments import fewshot_commands
from tenuto.experiments.fewshot import FewshotPlan, fewshot, settings_for
from tenuto.experiments.fewshot_energies import build_quietly, default_cache, load_energies
from tenuto.experiments.store import Store

QUICK = {"epochs": 2}


def silent(_: str) -> None:
    """Says nothing."""


def sounds(folder: Path, n: int = 3, seconds: float = 0.3) -> Path:
    """Class folders of tones, low and high, with a file that is none."""
    random = np.random.default_rng(0)
    for label, hz in (("high", 2000), ("low", 300)):
        (folder / label).mkdir(parents=True)
        for i in range(n + 2):
            t = np.arange(round(8000 * seconds * (1 + 0.2 * i))) / 8000
            samples = 0.3 * np.sin(2 * np.pi * hz * t) + 0.01 * random.standard_normal(len(t))
            soundfile.write(folder / label / f"{i}.wav", samples, 8000)
    (folder / "low" / "broken.wav").write_bytes(b"RIFF and no more")
    return folder


def plan(source: Path, out: Path, **changes: Any) -> FewshotPlan:
    given = {"sizes": (1, 2), "models": ("timbre",), "repeats": 2, "changes": QUICK, "cache": out.parent / "cache"}
    return FewshotPlan((source,), out, **{**given, **changes})


def cells(out: Path) -> dict[str, Any]:
    store = Store(out)
    return {name: store.read(name) for name in store.names()}


def test_spoken_digits_on_paired_draws_and_further(real_data: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    asked = plan(real_data / "fsdd", tmp_path / "out", folds=("lucas", "nicolas"), models=("sbcnn", "timbre"))
    page = fewshot(asked, lines.append)
    found = cells(tmp_path / "out")
    assert len(found) == 2 * 2 * 2 * 2 * 2  # models, compressions, n, folds, repeats
    assert any("grid 32/32" in line and "0 s left" in line for line in lines)
    table = find_clips(real_data / "fsdd")
    fold_of = {table.shown(clip.path): clip.fold for clip in table.clips}
    draws: dict[tuple[Any, ...], set[tuple[str, ...]]] = {}
    for record in found.values():
        cell = record["cell"]
        draws.setdefault((cell["n"], cell["fold"], cell["repeat"]), set()).add(tuple(record["draw"]))
        assert cell["fold"] not in {fold_of[path] for path in record["draw"]}
        assert len(record["draw"]) == 10 * cell["n"]
        assert record["n_test"] == 500
        assert len(record["losses"].split()) == record["epochs"] == 2
        assert "alpha" in record
        assert str(tmp_path) not in json.dumps(record)
    assert len(draws) == 8
    assert all(len(each) == 1 for each in draws.values())  # one draw for all models and compressions
    assert "8000 Hz, windows of 200 and hops of 80 samples, 40 bands" in page["text"]
    assert "log-learn - log-EPS" in page["text"]
    lines.clear()
    assert fewshot(asked, lines.append)["text"] == page["text"]
    assert not [line for line in lines if "started" in line]
    (tmp_path / "out" / "cells" / "fsdd.timbre.log.n2.lucas.r1.json").unlink()
    fewshot(asked, lines.append)
    assert [line for line in lines if "started" in line] == ["grid 31/32 · fsdd.timbre.log.n2.lucas.r1 · started"]
    again, before = cells(tmp_path / "out")["fsdd.timbre.log.n2.lucas.r1"], found["fsdd.timbre.log.n2.lucas.r1"]
    assert (again["score"], again["losses"], again["draw"]) == (before["score"], before["losses"], before["draw"])
    other = plan(real_data / "fsdd", tmp_path / "out", folds=("lucas",), changes={"epochs": 3})
    with pytest.raises(UsageError, match="made with epochs = 2, now 3 is asked for"):
        fewshot(other, silent)


def test_energies_are_those_of_the_front_end_and_made_once(tmp_path: Path) -> None:
    source, cache = sounds(tmp_path / "tones"), tmp_path / "cache"
    table = find_clips(source)
    settings = settings_for(table, {})
    assert (settings.sample_rate, settings.hop_length) == (8000, 80)  # the middle clip is below a second
    lines: list[str] = []
    found = load_energies(table, settings.frontend(), cache, lines.append)
    assert len(lines) == 1
    assert [Path(path).name for path, _ in found.left_out] == ["broken.wav"]
    assert len(found.table.clips) == 10
    filterbank = build_quietly(settings.frontend()).filterbank
    for index, clip in enumerate(found.table.clips):
        energies = filterbank(torch.from_numpy(read(clip.path, 8000))[None])[0]
        n = int(found.clips.n_frames[index])
        patch = found.clips.cut(np.array([index]), np.array([0]), n)[0]
        torch.testing.assert_close(patch, energies, rtol=0, atol=0)
    again = load_energies(table, settings.frontend("log-learn"), cache, lines.append)
    assert len(lines) == 1
    assert again.left_out == found.left_out
    soundfile.write(source / "low" / "0.wav", np.full(4000, 0.1), 8000)
    load_energies(find_clips(source), settings.frontend(), cache, lines.append)
    assert len(lines) == 2  # a file has changed


def test_settings_follow_the_data_and_what_is_said(tmp_path: Path) -> None:
    short = find_clips(sounds(tmp_path / "short"))
    assert settings_for(short, {"n_mels": 30, "n_frames": 50}).told().startswith("8000 Hz, windows of 200")
    long = find_clips(sounds(tmp_path / "long", seconds=1.5))
    assert (settings_for(long, {}).sample_rate, settings_for(long, {}).n_fft) == (44100, 1024)
    half = settings_for(long, {"sample_rate": 22050, "n_mels": 64})
    assert (half.n_fft, half.win_length, half.hop_length) == (512, 512, 512)
    assert settings_for(long, {"win_length": 1500}).n_fft == 2048


def test_what_does_not_fit_the_data_is_said(tmp_path: Path) -> None:
    source = sounds(tmp_path / "tones", n=4)
    lines: list[str] = []
    page = fewshot(plan(source, tmp_path / "out", sizes=(1, 50)), lines.append)
    assert any("n=50 left out, the smallest class of a fold has 5 training clips" in line for line in lines)
    assert "Left out: tones: low/broken.wav: corrupt" in page["text"]
    with pytest.raises(UsageError, match="its smallest class has 5 training clips"):
        fewshot(plan(source, tmp_path / "out", sizes=(50,)), silent)
    (tmp_path / "two.csv").write_text("path,label\ntones/low/0.wav,low;quiet\ntones/high/0.wav,high\n")
    with pytest.raises(UsageError, match=r"no labels|several labels"):
        fewshot(plan(tmp_path / "two.csv", tmp_path / "other"), silent)
    with pytest.raises(UsageError, match="holds no results yet: name the data"):
        fewshot(FewshotPlan((), tmp_path / "empty"), silent)


def test_options_become_a_plan_and_a_plan_its_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    parser = ArgumentParser()
    fewshot_commands.fewshot_arguments(parser)
    words = [
        "x",
        "--n",
        "1,5",
        "--models",
        "vgg",
        "--epochs",
        "9",
        "--converge",
        "--bands",
        "40",
        "--hop",
        "512",
        "--repeats",
        "3",
        "--folds",
        "a",
        "--out",
        "o",
    ]
    taken: list[FewshotPlan] = []

    def run(asked: FewshotPlan, _: object) -> dict[str, Any]:
        taken.append(asked)
        return {"text": "", "failed": {}, "left_out": []}

    monkeypatch.setattr("tenuto.experiments.fewshot.fewshot", run)
    fewshot_commands.fewshot(parser.parse_args(words), silent)
    (asked,) = taken
    assert asked.changes == {"epochs": 9, "converge": True, "n_mels": 40, "hop_length": 512}
    assert (asked.sizes, asked.models, asked.repeats, asked.folds) == ((1, 5), ("vgg",), 3, ("a",))
    fewshot_commands.fewshot(parser.parse_args(asked.command.split()[2:]), silent)
    assert taken[1] == asked
    with pytest.raises(UsageError, match="'1,two': wanted whole numbers"):
        fewshot_commands.fewshot(parser.parse_args(["x", "--n", "1,two"]), silent)
    monkeypatch.setenv("TENUTO_CACHE", str(tmp_path))
    assert default_cache() == tmp_path


def test_the_verb_as_a_process(tmp_path: Path) -> None:
    source = sounds(tmp_path / "tones")
    call = [sys.executable, "-m", "tenuto.cli", "fewshot", str(source), "--n", "1", "--repeats", "2", "--epochs", "2"]
    call += ["--models", "timbre,prototypes", "--threads", "1", "--cache", str(tmp_path / "cache")]
    ran = subprocess.run([*call, "--out", str(tmp_path / "out"), "--json"], capture_output=True, text=True)
    assert ran.returncode == 3, ran.stderr  # broken.wav is left out
    found = json.loads(ran.stdout)
    assert [row["cells"] for row in found["rows"]] == ["2 of 2"] * 4
    assert "grid 8/8" in ran.stderr
    assert (tmp_path / "out" / "fewshot_tones.png").stat().st_size > 5000
