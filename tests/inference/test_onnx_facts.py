"""What stands beside an exported graph is checked before it is believed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from inference.material import skip_without_export
from tenuto.cli import main
from tenuto.errors import WorkError
from tenuto.inference.onnx_classifier import OnnxClassifier
from tenuto.inference.onnx_facts import _WANTED

skip_without_export()
onnx = pytest.importorskip("onnx")


def with_fact(source: Path, target: Path, key: str, text: str | None) -> Path:
    """The same model with another fact, or without it."""
    model = onnx.load(source)
    facts = {each.key: each.value for each in model.metadata_props} | ({} if text is None else {key: text})
    if text is None:
        del facts[key]
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, facts)
    onnx.save(model, target)
    return target


@pytest.mark.parametrize("key", [*_WANTED, "activation"])
def test_a_fact_that_is_missing(exported: tuple[Path, Path], tmp_path: Path, key: str) -> None:
    with pytest.raises(WorkError, match=f"what stands beside the graph is wrong .*{key}.*: export it again$") as error:
        OnnxClassifier(with_fact(exported[1], tmp_path / "model.onnx", key, None))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *(("labels", text) for text in ('["a"]', '["a", "b", "c", "d", "e"]', '"abcd"', "5", "[1, 2, 3, 4]", "null")),
        *(("labels", text) for text in ('["", "a", "b", "c"]', '["a", "a", "b", "c"]', "[" * 100_000)),
        *(("sample_rate", text) for text in ("1e12", '"x"', "null", "8000.5", "1e400", "99999999", "true", "0")),
        *(("clip_seconds", text) for text in ("1e9", '"x"', "0", "-1", "NaN")),
        *(("hop_length", text) for text in ("0", "-1", '"x"', "null")),
        *(("reduction", text) for text in ("1", "-0.1", "null", "NaN")),
        *(("n_kept", text) for text in ("0", "-1", '"x"')),
        *(("f_max", text) for text in ('"x"', "null", "Infinity")),
        ("multi_label", "1"),
        ("activation", "tanh"),
    ],
)
def test_a_fact_that_cannot_be(exported: tuple[Path, Path], tmp_path: Path, key: str, text: str) -> None:
    with pytest.raises(WorkError, match=r"what stands beside the graph is wrong .*: export it again$") as error:
        OnnxClassifier(with_fact(exported[1], tmp_path / "model.onnx", key, text))
    assert len(str(error.value)) < 1000


def test_a_graph_of_other_inputs(exported: tuple[Path, Path], tmp_path: Path) -> None:
    shape = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 4])
    other = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 4])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Abs", ["x"], ["y"])], "other", [shape], [other])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    model.metadata_props.extend(onnx.load(exported[1]).metadata_props)
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(WorkError, match="the graph takes x, wanted waveforms and lengths"):
        OnnxClassifier(tmp_path / "model.onnx")


def test_what_onnxruntime_cannot_do_is_one_line(exported: tuple[Path, Path]) -> None:
    with pytest.raises(WorkError, match=r"^onnxruntime failed on 1 clips of up to 0 s \(.*--window.*--batch-size\)$"):
        OnnxClassifier(exported[1]).score([np.zeros(0, np.float32)])


def test_the_verb_says_it_in_one_line(
    exported: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = with_fact(exported[1], tmp_path / "model.onnx", "sample_rate", json.dumps(10**12))
    assert main(["predict", str(model), str(tmp_path / "any.wav")]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "sample_rate is 1000000000000, wanted a whole number of hertz" in said[0]
