"""Prototypical networks through the whole of a training: episodes, prototypes, resuming, using."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
import torch
from safetensors.torch import load_file

from tenuto.data.clips import ClipTable
from tenuto.data.sets import find_clips
from tenuto.data.splits import split
from tenuto.errors import UsageError
from tenuto.inference.predict import predict
from tenuto.models.checkpoint import load
from tenuto.training.evaluate import evaluate_model
from tenuto.training.fit import fit
from tenuto.training.recipe import Recipe
from training.sounds import make_sounds, small_recipe

PROTOTYPES = (
    "model.backbone=vgg",
    "model.n_filters=8",
    "model.head=prototypes",
    "training.loss=ce",
    "training.epochs=6",
    "training.learning_rate=0.01",
    "data.n_support=2",
    "data.n_query=3",
)


def prototypes_recipe(*overrides: str) -> Recipe:
    return small_recipe(*PROTOTYPES, *overrides)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> ClipTable:
    return find_clips(make_sounds(tmp_path_factory.mktemp("data") / "sounds", n_a_class=12, folds=3))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, table: ClipTable) -> Path:
    folder = tmp_path_factory.mktemp("run") / "prototypes"
    fit(prototypes_recipe(), table, folder, fold="0", seed=1)
    return folder


def test_it_learns_tones_from_episodes(run: Path, table: ClipTable) -> None:
    found = json.loads((run / "metrics.json").read_text())
    assert found["accuracy"] > 0.8
    again = evaluate_model(
        run, ClipTable(tuple(c for c in table.clips if c.fold == "0"), table.labels, False, "t", ".")
    )
    assert again.figures["accuracy"] == found["accuracy"]


def test_the_saved_prototypes_are_the_means_of_the_training_clips(run: Path, table: ClipTable) -> None:
    classifier = load(run)
    clips = split(table, "0", prototypes_recipe().data.valid_share, 1).train
    embeddings: dict[str, list[torch.Tensor]] = {label: [] for label in classifier.labels}
    with torch.no_grad():
        for clip in clips:  # one at a time, whole
            waveform = torch.from_numpy(soundfile.read(clip.path, dtype="float32")[0])[None]
            embeddings[clip.labels[0]].append(classifier.embed(waveform)[0])
    means = torch.cat([torch.cat(embeddings[label]).mean(0, keepdim=True) for label in classifier.labels])
    torch.testing.assert_close(classifier.head.prototypes, means, atol=1e-4, rtol=1e-4)


def test_it_predicts(run: Path, table: ClipTable) -> None:
    clips = [clip for clip in table.clips if clip.fold == "0"]
    found = predict(run, [clip.path for clip in clips])
    assert len(found.files) == len(clips)
    scores = torch.tensor(found.files[0].scores)
    assert scores.sum(-1).tolist() == pytest.approx([1.0] * scores[..., 0].numel())


def test_an_interrupted_training_ends_as_it_would_have(tmp_path: Path, run: Path, table: ClipTable) -> None:
    def stop_after_three(line: str) -> None:
        if line.startswith("epoch 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(prototypes_recipe(), table, tmp_path / "run", fold="0", seed=1, say=stop_after_three)
    fit(prototypes_recipe(), table, tmp_path / "run", fold="0", seed=1)
    ours, theirs = load_file(tmp_path / "run" / "model.safetensors"), load_file(run / "model.safetensors")
    assert ours.keys() == theirs.keys()
    assert "head.prototypes" in ours
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def test_one_clip_a_class_trains(tmp_path: Path) -> None:
    table = find_clips(make_sounds(tmp_path / "sounds", n_a_class=2, folds=2))
    overrides = ("data.valid_share=0", "training.choose=last", "training.epochs=2", "data.clip_seconds=0.1")
    found = fit(prototypes_recipe(*overrides), table, tmp_path / "run", fold="0")
    assert found["epochs"] == 2
    assert found["test_clips"] == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.loss=bce", "trained by cross entropy: set training.loss=ce"),
        ("data.mixup=0.5", "data.mixup=0.5 leaves clips of two classes"),
        ("data.n_way=1", "n_way=1, wanted: 2 or more"),
        ("data.n_support=0", "n_support=0"),
        ("data.n_query=0", "n_query=0"),
    ],
)
def test_what_episodes_cannot_be_made_with_is_refused(override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        prototypes_recipe(override)


def test_more_classes_an_episode_than_there_are_are_refused(tmp_path: Path, table: ClipTable) -> None:
    with pytest.raises(UsageError, match="n_way=4 classes an episode of 3 with clips"):
        fit(prototypes_recipe("data.n_way=4"), table, tmp_path / "run", fold="0")
