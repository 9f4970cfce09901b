"""A model of one length, exported: it pads and cuts as the run folder does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inference.material import make_model
from tenuto.inference.export import TOLERANCE, facts_of
from tenuto.inference.predict import predict
from tenuto.models.checkpoint import save

Write = Callable[..., Path]


@pytest.fixture
def fixed(exported: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """Run folder and exported file of the model of `exported`, had it been trained on clips of a second.

    The graph takes any length all the same: what makes the difference is the facts beside it.
    """
    onnx, model = pytest.importorskip("onnx"), make_model(clip_seconds=1.0)
    save(model, tmp_path / "run")
    graph = onnx.load(exported[1])
    onnx.helper.set_model_props(graph, facts_of(model))
    onnx.save(graph, tmp_path / "model.onnx")
    return tmp_path / "run", tmp_path / "model.onnx"


@pytest.mark.parametrize("seconds", [1.0, 4.0, None])
def test_the_length_is_among_the_facts(seconds: float | None) -> None:
    assert json.loads(facts_of(make_model(clip_seconds=seconds))["clip_seconds"]) == seconds


def test_short_and_long_clips_are_heard_as_by_the_run_folder(fixed: tuple[Path, Path], write: Write) -> None:
    files = [write("short.wav", 0.4), write("long.wav", 2.3, seed=1)]
    wanted, found = (predict(model, files) for model in fixed)
    assert (found.window_seconds, found.hop_seconds) == (wanted.window_seconds, wanted.hop_seconds) == (1.0, 1.0)
    assert [len(each.starts) for each in found.files] == [1, 3]
    for one, other in zip(wanted.files, found.files, strict=True):
        np.testing.assert_array_equal(other.starts, one.starts)
        np.testing.assert_array_equal(other.ends, one.ends)
        np.testing.assert_allclose(other.scores, one.scores, rtol=0, atol=TOLERANCE)
    unpadded = predict(make_model(), files[0]).files[0].scores
    assert np.abs(unpadded - found.files[0].scores).max() > 10 * TOLERANCE  # the padding is heard
