"""An explanation says what the model heard, and its pictures and tables hold it."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import soundfile

from inference.material import LABELS, RATE_HZ, make_model, sound
from tenuto.data.audio import AudioError
from tenuto.errors import UsageError
from tenuto.inference.explain import explain, explain_several
from tenuto.inference.predict import predict
from tenuto.models.classifier import Classifier

Write = Callable[..., Path]


def _ink(path: Path) -> float:
    """How much of a picture is not white: 0 to 1."""
    pixels = matplotlib.image.imread(path)[..., :3]
    return float((pixels.min(axis=-1) < 0.9).mean())


def test_a_real_clip_is_explained_in_every_shape(real_data: Path, model: Classifier, tmp_path: Path) -> None:
    file = real_data / "esc10" / "audio" / "1-26806-A-1.ogg"
    outs = [tmp_path / f"a.{suffix}" for suffix in ("png", "svg", "pdf", "json", "csv")]
    found = explain(model, file, outs)
    assert _ink(outs[0]) > 0.3
    assert "svg" in ElementTree.parse(outs[1]).getroot().tag
    assert outs[2].read_bytes().startswith(b"%PDF")
    value = json.loads(outs[3].read_text())
    assert (value["n_frames"], value["n_kept"], value["resolution"]) == (501, 125, "DiffRes")
    assert sum(row["importance"] for row in value["frames"]) == pytest.approx(125, abs=1e-3)
    assert [row["empty"] for row in value["frames"]].count(True) > 200  # its publisher padded it with zeros
    assert value["activeness"] > 0.05
    kept = value["kept"]
    assert len(kept) == 125
    assert all(row["start"] <= row["centre"] <= row["end"] for row in kept)
    assert all(a["centre"] < b["centre"] and b["first_frame"] >= a["last_frame"] for a, b in pairwise(kept))
    with outs[4].open() as frames, (tmp_path / "a_kept.csv").open() as kept_csv:
        assert len(list(csv.DictReader(frames))) == 501
        assert len(list(csv.DictReader(kept_csv))) == 125
    (answer,) = predict(model, file).files
    assert dict(found.scores) == pytest.approx(dict(zip(LABELS, answer.scores[0].tolist(), strict=True)), abs=1e-5)


@pytest.mark.parametrize(
    ("resolution", "panels", "said"),
    [
        ("diffres", ["mean", "maximum", "encoding"], "DiffRes: 100 frames (100 a second) → 25 kept (25 a second), ac"),
        ("avgpool", ["mean"], "average pooling: 100 frames"),
        ("convavgpool", ["convolved, then averaged"], "convolutions, then average pooling: 100 frames"),
        ("changehop", [], "a larger hop: all 25 frames (25 a second) reach the classifier, none are merged"),
        ("none", [], "no reduction: all 100 frames (100 a second) reach the classifier, none are merged"),
    ],
)
def test_every_resolution_shows_what_there_is(
    write: Write, tmp_path: Path, resolution: str, panels: list[str], said: str
) -> None:
    found = explain(make_model(resolution), write("a.wav", 1.0), tmp_path / "a.png")
    assert list(found.picture.channels) == panels
    assert found.picture.notes[0].startswith(said)
    assert _ink(tmp_path / "a.png") > 0.2
    if resolution in ("avgpool", "convavgpool"):
        np.testing.assert_allclose(found.picture.importance, 0.25)
        assert found.picture.notes[0].endswith("all frames of the same importance")
    if not panels:
        assert found.picture.importance is None
        assert found.as_dict()["kept"] == []
        assert found.picture.n_kept == found.picture.n_frames


def test_kept_frames_lie_where_the_importance_is(write: Write) -> None:
    found = explain(make_model(), write("a.wav", 3.0))
    assert found.placement is not None
    assert found.picture.importance is not None
    widths = found.placement.last_frame - found.placement.first_frame
    means = [
        found.picture.importance[first : last + 1].mean()
        for first, last in zip(found.placement.first_frame, found.placement.last_frame, strict=True)
    ]
    assert np.corrcoef(widths, means)[0, 1] < -0.6  # important frames: few of them make one kept frame


def test_a_part_of_a_file_is_explained_in_the_files_own_time(write: Write) -> None:
    found = explain(make_model(), write("a.wav", 4.0), start_seconds=1.5, seconds=1.0)
    assert (found.start_seconds, found.end_seconds) == (1.5, 2.5)
    assert found.frame_rows()[0]["seconds"] == 1.5
    assert 1.49 < found.kept_rows()[0]["start"] < found.kept_rows()[-1]["end"] < 2.51
    assert "1.5 to 2.5 s of a file of 4 s" in found.picture.notes


def test_a_model_of_one_length_shows_the_padding_it_hears(write: Write) -> None:
    found = explain(make_model(clip_seconds=2.0), write("a.wav", 0.5))
    assert found.picture.n_frames == 200
    assert found.end_seconds == 0.5
    assert found.picture.empty[60:].all()
    assert any("padded with 1.5 s of zeros" in note for note in found.picture.notes)


@pytest.mark.parametrize("seconds", [1 / RATE_HZ, 0.02])
def test_the_shortest_and_the_silent(write: Write, tmp_path: Path, model: Classifier, seconds: float) -> None:
    path = write("a.wav", seconds)
    soundfile.write(path, np.zeros(max(1, round(seconds * RATE_HZ))), RATE_HZ)
    found = explain(model, path, tmp_path / "a.svg")
    assert found.picture.empty.all()
    assert found.picture.n_kept == 1
    if found.picture.n_frames == 1:
        assert found.picture.notes[0] == "DiffRes: the one frame reaches the classifier, none are merged"


def test_tables_have_their_heads_where_nothing_is_merged(write: Write, tmp_path: Path) -> None:
    explain(make_model("none"), write("a.wav"), tmp_path / "a.csv")
    assert (tmp_path / "a_kept.csv").read_text() == "kept,start,end,centre,first_frame,last_frame\n"


def test_a_minute_is_explained(model: Classifier, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", sound(60), RATE_HZ)
    found = explain(model, tmp_path / "a.wav", tmp_path / "a.png", seconds=60)
    assert (found.picture.n_frames, found.picture.n_kept) == (6000, 1500)
    assert _ink(tmp_path / "a.png") > 0.3


def test_several_clips_side_by_side(model: Classifier, write: Write, tmp_path: Path) -> None:
    files = [write(f"{i}.wav", 1 + i, seed=i) for i in range(3)]
    found = explain_several(model, files, tmp_path / "all.png")
    assert [each.file for each in found] == [str(file) for file in files]
    assert _ink(tmp_path / "all.png") > 0.2


def test_a_name_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.gif: wanted a name that ends in one of \.png"):
        explain(tmp_path / "no model", tmp_path / "no file", tmp_path / "a.gif")


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"dear diary", "not audio"), (None, "no such file")])
def test_a_file_that_cannot_be_read_says_why(
    model: Classifier, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match=reason):
        explain(model, tmp_path / "a.wav", tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


def test_the_model_is_left_in_the_mode_it_was_in(write: Write) -> None:
    training = make_model().train()
    path = write("a.wav")
    assert explain(training, path).scores == explain(make_model(), path).scores
    assert training.training
