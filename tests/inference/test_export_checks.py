"""What an export is checked on and what it refuses: clips without an answer, clips that cannot be read, every stage."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from inference.material import LABELS, RATE_HZ, make_model, probabilities, skip_without_export, too_loud
from tenuto.cli import main
from tenuto.errors import WorkError
from tenuto.inference import export as exporting
from tenuto.inference.predict import predict
from tenuto.inference.trials import Trial, batch, of_files, synthetic
from tenuto.models.build import build_classifier
from tenuto.models.checkpoint import load, save
from tenuto.models.classifier import Classifier
from tenuto.models.settings import FrontendSettings, ModelSettings

skip_without_export()
onnxruntime = pytest.importorskip("onnxruntime")

Write = Callable[..., Path]
TOLERANCE = exporting.TOLERANCE


def test_no_answer_to_what_is_far_too_loud(exported: tuple[Path, Path], write: Write) -> None:
    session = onnxruntime.InferenceSession(exported[1])
    clips = too_loud()
    (found,) = session.run(None, clips._asdict())
    assert np.isnan(found[1:]).all()
    np.testing.assert_allclose(found[:1], probabilities(load(exported[0]), clips)[:1], atol=TOLERANCE)
    (alone,) = session.run(None, batch([clips.waveforms[0]])._asdict())
    np.testing.assert_allclose(found[:1], alone, atol=1e-6)
    path = write("loud.wav")
    soundfile.write(path, clips.waveforms[1], RATE_HZ, subtype="FLOAT")
    (left_out,) = predict(exported[1], path).left_out
    assert left_out.reason == "1 window without a finite score (samples far too loud?)"


@pytest.mark.parametrize(
    ("filterbank", "compression", "resolution"),
    [
        ("mel", "pcen", "changehop"),  # DiffRes: the fixture `exported`
        ("leaf", "log10000", "avgpool"),
        ("sincnet+", "layernorm", "convavgpool"),
        ("time-domain", "log-learn", "none"),
    ],
)
def test_every_stage_is_exported(tmp_path: Path, filterbank: Any, compression: Any, resolution: Any) -> None:
    fps = None if resolution == "none" else 25
    settings = FrontendSettings(
        filterbank=filterbank, compression=compression, resolution=resolution, fps=fps, n_mels=16
    )
    model = build_classifier(settings, ModelSettings(), LABELS)
    assert exporting.export(model, tmp_path / "model.onnx").largest_difference <= TOLERANCE
    assert not _adding_rows(tmp_path / "model.onnx")


def test_no_rows_are_added_on_several_threads_at_once(exported: tuple[Path, Path]) -> None:
    assert not _adding_rows(exported[1])


def _adding_rows(path: Path) -> list[str]:
    """Nodes whose sums onnxruntime makes on several threads, without waiting: what meets in one row may be lost."""
    onnx = pytest.importorskip("onnx")
    nodes = [node for node in onnx.load(path).graph.node if node.op_type == "ScatterND"]
    reductions = {node.name: [each.s for each in node.attribute if each.name == "reduction"] for node in nodes}
    return [name for name, values in reductions.items() if values and values != [b"none"]]


def test_a_file_that_says_something_else_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_write", lambda *_: lambda waveforms, _: np.zeros((len(waveforms), 4)))
    with pytest.raises(WorkError, match="is not written: its probabilities lie up to"):
        exporting.export(make_model(), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_an_answer_where_pytorch_has_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    for wrong in ("none to the last clips", "some to all clips"):

        def run(waveforms: NDArray[np.float32], lengths: NDArray[np.int64], wrong: str = wrong) -> NDArray[np.float32]:
            found = probabilities(model, Trial(waveforms, lengths))
            if wrong == "some to all clips":
                return np.nan_to_num(found)
            return np.full_like(found, np.nan) if lengths.max() < 400 else found

        monkeypatch.setattr(exporting, "_write", lambda *_, run=run: run)
        with pytest.raises(WorkError, match="its probabilities lie up to inf from PyTorch's"):
            exporting.export(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def as_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of a file that takes long to make one that says what PyTorch says."""

    def write_at_once(model: Classifier, facts: dict[str, str], path: Path, suffix: str) -> Callable[..., Any]:
        path.write_bytes(b"")
        return lambda *trial: probabilities(model, Trial(*trial))

    monkeypatch.setattr(exporting, "_write", write_at_once)


@pytest.mark.usefixtures("as_pytorch")
def test_a_clip_that_cannot_be_read_is_left_out_of_the_check(
    tmp_path: Path, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    save(make_model(), tmp_path / "run")
    bad, folder, out = write("a.wav").with_name("bad.wav"), str(tmp_path / "clips"), tmp_path / "model.pt2"
    bad.write_text("not audio")
    call = ["export", str(tmp_path / "run"), str(out), folder]
    assert main([*call, "--json"]) == 3
    told, err = capsys.readouterr()
    assert err == f"left out of the check: {bad}: not audio (begins with b'not audi')\n"
    assert json.loads(told)["left_out"] == [{"file": str(bad), "reason": "not audio (begins with b'not audi')"}]
    assert out.exists()
    assert main([*call, "missing.wav"]) == 3
    assert "left out of the check: missing.wav: no such file\n" in capsys.readouterr().err


@pytest.mark.usefixtures("as_pytorch")
@pytest.mark.parametrize(
    ("clips", "told"),
    [
        (["bad.wav"], "bad.wav: not audio (begins with b'not audi')"),
        (["empty"], "empty: a folder without audio files"),
        (["bad.wav", "missing.wav", "empty"], "empty: a folder without audio files; 2 more cannot be read either"),
    ],
)
def test_clips_of_which_none_can_be_read_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clips: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    save(make_model(), "run")
    Path("bad.wav").write_text("not audio")
    Path("empty").mkdir()
    assert main(["export", "run", "model.onnx", *clips]) == 1
    assert capsys.readouterr().err == f"tenuto: {told}\n"
    assert not Path("model.onnx").exists()


def test_trials_are_of_several_batches_and_lengths(real_data: Path) -> None:
    model = make_model()
    trials = synthetic(model)
    assert {len(trial.lengths) for trial in trials} == {1, 2, 3}
    assert min(trial.lengths.min() for trial in trials) < 400 < max(trial.lengths.max() for trial in trials)
    real, left_out = of_files(model, real_data / "fsdd" / "recordings")
    assert not left_out
    assert sum(len(trial.lengths) for trial in real) <= 64 + 4
    assert all(np.abs(trial.waveforms).max() > 0.01 for trial in real)
