"""The examples do by themselves what they say."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import soundfile

from inference.material import LABELS, RATE_HZ, make_model, skip_without_export, sound
from tenuto.inference.export import export
from tenuto.inference.predict import predict

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def module(name: str) -> ModuleType:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_the_layer_in_your_model(capsys: pytest.CaptureFixture[str]) -> None:
    told_apart, share = module("layer_in_your_model").main(3)
    assert 0 <= told_apart <= 1
    assert 0.05 < share < 1
    assert "importance on the tone, 15% of the time" in capsys.readouterr().out


def test_a_series_that_is_not_sound(capsys: pytest.CaptureFixture[str]) -> None:
    accuracy, share = module("series_that_is_not_sound").main(100)
    assert accuracy > 0.5  # of three gestures
    assert share > 40 / 300  # more on the gesture than uniform importance has
    assert "from 60 of 300 steps" in capsys.readouterr().out


def test_the_exported_model_without_tenuto(tmp_path: Path) -> None:
    skip_without_export()
    files = [str(tmp_path / f"{seed}.wav") for seed in range(2)]
    for seed, file in enumerate(files):
        soundfile.write(file, sound(0.5 + seed, seed=seed), RATE_HZ, subtype="FLOAT")
    model = make_model()
    export(model, tmp_path / "model.onnx")
    script = str(EXAMPLES / "exported_without_tenuto.py")
    done = subprocess.run(
        [sys.executable, script, str(tmp_path / "model.onnx"), *files], capture_output=True, text=True, check=True
    )
    best = [LABELS[scores[0].argmax()] for scores in (answer.scores for answer in predict(model, files).files)]
    assert [line.split(": ")[1].split(" (")[0] for line in done.stdout.splitlines()] == best
    broken = subprocess.run(
        [sys.executable, script, str(tmp_path / "model.onnx"), script], capture_output=True, text=True
    )
    assert (broken.returncode, broken.stderr.count("\n")) == (1, 1)
    assert "tenuto" not in (
        line.split()[1] for line in Path(script).read_text().splitlines() if line.startswith("import")
    )


def test_the_exported_model_of_clips_of_one_length(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    skip_without_export()
    model = make_model(clip_seconds=1.0)
    export(model, tmp_path / "model.onnx")
    for name, seconds in (("short", 0.4), ("long", 3.0)):
        file = str(tmp_path / f"{name}.wav")
        soundfile.write(file, sound(seconds, seed=3), RATE_HZ, subtype="FLOAT")
        found = module("exported_without_tenuto").main(str(tmp_path / "model.onnx"), [file])
        wanted = predict(model, [file]).files[0].scores.max(1)
        assert [probability for _, _, probability in found] == pytest.approx(list(wanted), abs=1e-4)
    assert "long.wav from 2 s: " in capsys.readouterr().out
