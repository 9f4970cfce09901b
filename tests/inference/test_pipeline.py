"""Which stage is the limit, from rates whose answer is known; clips made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenuto.data.audio import facts
from tenuto.data.sets import find_clips
from tenuto.errors import UsageError
from tenuto.inference.pipeline import _make_clips, limit_of, measure
from tenuto.inference.timing import Spread
from tenuto.training.recipe import load_recipe


def rates(files: float, decoded: float, frontend: float, backbone: float, step: float) -> dict[str, Spread]:
    names = ("batches from files", "batches from decoded audio", "front end", "backbone", "training step")
    return {n: Spread(v, v, v) for n, v in zip(names, (files, decoded, frontend, backbone, step), strict=True)}


def test_the_slowest_stage_is_named() -> None:
    assert limit_of(rates(500, 9000, 400, 100, 80), 2) == (
        "The limit is the backbone (80% of a training step): 2 processes beside it can make 500 clips a second from "
        "files, and training can take 80.0."
    )
    assert limit_of(rates(500, 9000, 100, 400, 80), 1).startswith("The limit is the front end (80% of")
    assert limit_of(rates(50, 9000, 400, 100, 80), 0) == (
        "The limit is decoding: the training's own process can make 50.0 clips a second from files, and training can "
        "take 80.0; from decoded audio it is 9000, so set data.cache=FOLDER."
    )
    assert limit_of(rates(50, 70, 400, 100, 80), 1).startswith("The limit is the making of batches: one process")


def test_clips_made_up_have_to_be_resampled_and_are_of_two_kinds(tmp_path: Path) -> None:
    table = find_clips(_make_clips(tmp_path, 4, 0.5))
    assert table.labels == ("class 0", "class 1")
    assert sorted(clip.path.suffix for clip in table.clips) == [".ogg", ".ogg", ".wav", ".wav"]
    for clip in table.clips:
        found = facts(clip.path)
        assert (found.sample_rate, found.n_channels, found.n_samples) == (44100, 2, 22050)


def test_episodes_are_refused() -> None:
    recipe = load_recipe(None, ["model.head=prototypes", "training.loss=ce", "data.mixup=0"])
    with pytest.raises(UsageError, match="trains in episodes, which are not measured here"):
        measure(recipe)
