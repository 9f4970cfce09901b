"""Frames counted clip by clip, for clips of many lengths, padded and cropped; and clips that cannot be tested on."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import soundfile
import torch

from tenuto.data.clips import ClipTable
from tenuto.data.sets import find_clips
from tenuto.errors import WorkError
from tenuto.models.build import build_classifier
from tenuto.models.classifier import Classifier
from tenuto.training.evaluate import evaluate_model
from training.sounds import HZ, SAMPLE_RATE, make_sounds, small_recipe

HOP = 80  # samples, of the small recipe, whose 50 frames a second are half of those of the spectrogram


@pytest.fixture
def table(tmp_path: Path) -> ClipTable:
    """Clips of 0.15 to 0.3 s, in no order of length."""
    return find_clips(make_sounds(tmp_path / "sounds", n_a_class=4))


@pytest.fixture
def classifier() -> Classifier:
    recipe = small_recipe()
    return build_classifier(recipe.frontend, recipe.model, sorted(HZ))


def samples_of(path: Path | str) -> int:
    return int(soundfile.info(path).frames)


def predictions(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_clip_has_its_own_frames_and_scores(classifier: Classifier, table: ClipTable, tmp_path: Path) -> None:
    evaluate_model(classifier, table, out=tmp_path / "out", batch_size=4)  # batches of like clips, shortest first
    rows = predictions(tmp_path / "out")
    assert [row["path"] for row in rows] == [str(clip.path) for clip in table.clips]
    lengths = [samples_of(row["path"]) for row in rows]
    assert lengths != sorted(lengths)
    classifier.eval()
    for row in rows:
        waveform = torch.from_numpy(soundfile.read(row["path"], dtype="float32")[0])[None]
        with torch.no_grad():
            alone = classifier(waveform)
        assert int(row["valid_frames"]) == -(-waveform.shape[1] // HOP)
        assert int(row["kept_frames"]) == int(alone.resolution.lengths), row["path"]
        scores = [float(row[f"score:{label}"]) for label in classifier.labels]
        assert scores == pytest.approx(classifier.probabilities(alone.logits)[0].tolist(), abs=2e-6)


def test_neither_padding_nor_what_is_cropped_counts_as_sound(
    classifier: Classifier, table: ClipTable, tmp_path: Path
) -> None:
    classifier.clip_seconds = 0.22
    fixed = round(0.22 * SAMPLE_RATE)
    found = evaluate_model(classifier, table, out=tmp_path / "out").figures
    lengths = [samples_of(clip.path) for clip in table.clips]
    assert min(lengths) < fixed - HOP < fixed + HOP < max(lengths)
    frames = [-(-min(length, fixed) // HOP) for length in lengths]
    assert [int(row["valid_frames"]) for row in predictions(tmp_path / "out")] == frames
    assert found["valid_frames"] == sum(frames)
    assert found["input_frames"] == len(lengths) * fixed // HOP
    assert found["kept_frames"] == found["input_frames"] / 2
    assert found["kept_share"] == pytest.approx(found["kept_frames"] / sum(frames))


def test_no_clip_that_can_be_read(classifier: Classifier, table: ClipTable) -> None:
    for clip in table.clips:
        clip.path.write_bytes(b"no sound")
    with pytest.raises(WorkError, match="no clip to evaluate could be read"):
        evaluate_model(classifier, table)
