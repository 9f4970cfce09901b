"""An exported model: the same answers as the run folder, for any batch and length, and refusals of one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.material import LABELS, RATE_HZ, make_model, probabilities, skip_without_export, sound, too_loud
from tenuto.cli import main
from tenuto.errors import UsageError, WorkError
from tenuto.inference import export as exporting
from tenuto.inference.export import facts_of
from tenuto.inference.predict import predict
from tenuto.inference.scoring import opened
from tenuto.inference.trials import batch, of_files
from tenuto.models.checkpoint import load

skip_without_export()
onnxruntime, onnx = pytest.importorskip("onnxruntime"), pytest.importorskip("onnx")

Write = Callable[..., Path]
TOLERANCE = exporting.TOLERANCE


@pytest.mark.parametrize("lengths", [[16000], [1], [160], [161, 50], [30001, 16000, 700], [8000] * 5])
def test_any_batch_and_any_length(exported: tuple[Path, Path], lengths: list[int]) -> None:
    clips = batch([sound(n / RATE_HZ, seed=seed) for seed, n in enumerate(lengths)])
    model = load(exported[0])
    with torch.no_grad():
        wanted = model.probabilities(model(*map(torch.from_numpy, clips)).logits).numpy()
    session = onnxruntime.InferenceSession(exported[1])
    for n_more in (0, 500):  # however far it was padded, and whatever stands there
        waveforms = np.pad(clips.waveforms, ((0, 0), (0, n_more)), constant_values=0.5)
        (found,) = session.run(None, {"waveforms": waveforms, "lengths": clips.lengths})
        np.testing.assert_allclose(found, wanted, atol=TOLERANCE)


def test_the_file_says_what_one_must_know(exported: tuple[Path, Path]) -> None:
    facts = onnxruntime.InferenceSession(exported[1]).get_modelmeta().custom_metadata_map
    assert json.loads(facts["labels"]) == list(LABELS)
    assert json.loads(facts["sample_rate"]) == RATE_HZ
    assert facts["activation"] == "sigmoid"
    assert facts == facts_of(load(exported[0]))
    model = opened(exported[1])
    for n_samples in (1, 160, 161, 16000, 99_999):
        assert model.kept(n_samples) == load(exported[0]).frontend.kept(n_samples)  # type: ignore[union-attr]


def test_inputs_and_output_have_names_and_named_axes(exported: tuple[Path, Path]) -> None:
    session = onnxruntime.InferenceSession(exported[1])
    places = [(place.name, place.shape) for place in (*session.get_inputs(), *session.get_outputs())]
    assert places == [
        ("waveforms", ["batch", "samples"]),
        ("lengths", ["batch"]),
        ("probabilities", ["batch", len(LABELS)]),
    ]
    clips = batch([sound(0.3), sound(0.2)])
    (found,) = session.run(["probabilities"], clips._asdict())
    assert found.shape == (2, len(LABELS))


def test_an_output_of_another_name_is_read(exported: tuple[Path, Path], write: Write, tmp_path: Path) -> None:
    older = tmp_path / "older.onnx"
    model = onnx.load(exported[1])
    for node in model.graph.node:
        node.output[:] = ["scores" if name == "probabilities" else name for name in node.output]
    model.graph.output[0].name = "scores"
    onnx.save(model, older)
    file = write("a.wav")
    wanted, found = (predict(path, file).files[0].scores for path in (exported[1], older))
    np.testing.assert_array_equal(found, wanted)


def test_the_file_names_no_source_and_only_operators_of_onnx(exported: tuple[Path, Path]) -> None:
    assert str(Path(__file__).parents[2]).encode() not in exported[1].read_bytes()
    model = onnx.load(exported[1])
    assert {opset.domain for opset in model.opset_import} <= {"", "ai.onnx"}


def test_predict_answers_as_the_run_folder_does(exported: tuple[Path, Path], write: Write) -> None:
    files = [write("a.wav", 1.0), write("b.wav", 0.01, seed=1), write("c.wav", 3.2, rate_hz=22050, seed=2)]
    one, other = (predict(model, files, window_seconds=1.5, hop_seconds=0.7) for model in exported)
    assert one.n_windows == other.n_windows > 3
    assert (one.labels, one.multi_label, one.f_max_hz) == (other.labels, other.multi_label, other.f_max_hz)
    for wanted, found in zip(one.files, other.files, strict=True):
        np.testing.assert_array_equal(found.starts, wanted.starts)
        np.testing.assert_allclose(found.scores, wanted.scores, atol=TOLERANCE)


def test_predict_says_what_is_wrong_with_a_file(
    exported: tuple[Path, Path], tmp_path: Path, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, foreign = tmp_path / "broken.onnx", tmp_path / "foreign.onnx"
    broken.write_bytes(b"not a model")
    model = onnx.load(exported[1])
    del model.metadata_props[:]
    onnx.save(model, foreign)
    wanted = {broken: (1, "is not an ONNX model"), foreign: (1, "not a model that this tenuto exported")}
    for path, (code, told) in (wanted | {tmp_path / "none.onnx": (2, "cannot be read")}).items():
        assert main(["predict", str(path), str(write("a.wav"))]) == code
        err = capsys.readouterr().err
        assert told in err
        assert len(err.splitlines()) == 1
    with pytest.raises(UsageError, match="use 'cpu'"):
        opened(exported[1], "tpu")


def test_the_journal_tells_files_apart(exported: tuple[Path, Path], write: Write, tmp_path: Path) -> None:
    file, journal = write("a.wav"), tmp_path / "journal"
    for model in exported:
        predict(model, file, journal=journal)
    assert len(list(journal.iterdir())) == 2


def test_a_folder_is_no_name_of_a_file(exported: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "model.onnx").mkdir()
    with pytest.raises(UsageError, match="is a folder: wanted the name of a file"):
        exporting.export(exported[0], tmp_path / "model.onnx")


def test_a_device_without_numbers_is_refused(exported: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="device 'meta' cannot be used"):
        load(exported[0], device="meta")


def test_what_cannot_be_exported_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model()
    # a size that is read as a number binds the graph to the batch it was traced with
    forward = model.head.forward
    monkeypatch.setattr(model.head, "forward", lambda maps, lengths=None: forward(maps, lengths).view(len(maps), -1))
    with pytest.raises(WorkError, match="cannot be exported for any batch and length") as caught:
        exporting.export(model, tmp_path / "model.pt2")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_other_suffixes_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path), str(tmp_path / "model.tflite")]) == 2
    assert "ends in .onnx or .pt2" in capsys.readouterr().err


def test_an_exported_program_of_pytorch(tmp_path: Path) -> None:
    model = make_model()
    found = exporting.export(model, tmp_path / "model.pt2")
    assert found.largest_difference <= TOLERANCE
    beside = {exporting.FACTS_FILE: ""}
    program = torch.export.load(tmp_path / "model.pt2", extra_files=beside)
    assert json.loads(json.loads(beside[exporting.FACTS_FILE])["labels"]) == list(LABELS)
    clips = batch([sound(0.5)])
    with torch.no_grad():
        wanted = model.probabilities(model(*map(torch.from_numpy, clips)).logits)
        answer = program.module()(*map(torch.from_numpy, clips))
        loud = program.module()(*map(torch.from_numpy, too_loud())).numpy()
    torch.testing.assert_close(answer, wanted, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(loud, probabilities(model, too_loud()), atol=TOLERANCE)
    assert np.isnan(loud[1:]).all()


def test_real_clips_give_the_same(exported: tuple[Path, Path], real_data: Path) -> None:
    session, model = onnxruntime.InferenceSession(exported[1]), load(exported[0])
    files = sorted((real_data / "esc10" / "audio").iterdir())[:: 400 // 4]
    for trial in of_files(model, files)[0]:
        with torch.no_grad():
            wanted = model.probabilities(model(*map(torch.from_numpy, trial)).logits).numpy()
        (found,) = session.run(None, {"waveforms": trial.waveforms, "lengths": trial.lengths})
        np.testing.assert_allclose(found, wanted, atol=TOLERANCE)
