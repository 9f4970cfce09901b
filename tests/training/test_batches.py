"""What a recipe says of its batches reaches them: crops, processes, and decoded audio on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tenuto.data.check import check_clips
from tenuto.data.clips import ClipTable
from tenuto.data.sampling import Pick
from tenuto.data.sets import find_clips
from tenuto.data.splits import split
from tenuto.training.batches import datasets
from tenuto.training.fit import fit
from training.sounds import make_sounds, small_recipe


@pytest.fixture
def table(tmp_path: Path) -> ClipTable:
    return find_clips(make_sounds(tmp_path / "sounds", n_a_class=6))


def test_a_training_on_decoded_audio_is_the_same_training(table: ClipTable, tmp_path: Path) -> None:
    lines: list[str] = []
    settings = ("training.epochs=2", "data.mixup=0.5", "data.clip_seconds=0.2")
    folder = tmp_path / "decoded"
    plain = fit(small_recipe(*settings, "data.workers=0"), table, tmp_path / "plain")
    cached = small_recipe(*settings, f"data.cache={folder}", "data.workers=1")
    found = fit(cached, table, tmp_path / "cached", say=lines.append)
    for name in ("accuracy", "mAP", "loss"):
        assert found[name] == plain[name], name
    assert any(line.startswith(f"decoded audio in {folder}: 18 of 18 clips to decode") for line in lines)
    assert sorted(path.suffix for path in folder.iterdir()) == [".index", ".lock", ".samples"]
    lines.clear()
    fit(cached, table, tmp_path / "again", say=lines.append)
    assert not any("decode" in line for line in lines), "the second training finds it there"


def test_a_corrupt_clip_is_listed_as_without_decoded_audio(table: ClipTable, tmp_path: Path) -> None:
    table.clips[0].path.write_bytes(b"no sound")
    recipe = small_recipe("training.epochs=1", f"data.cache={tmp_path / 'decoded'}")
    fit(recipe, table, tmp_path / "run")
    left_out = json.loads((tmp_path / "run" / "run.json").read_text())["left_out"]
    assert [each["path"] for each in left_out] == [str(table.clips[0].path)]
    assert "not audio" in left_out[0]["reason"]


def test_more_processes_than_processors_are_not_started(table: ClipTable, tmp_path: Path) -> None:
    lines: list[str] = []
    fit(small_recipe("training.epochs=1", "data.workers=999"), table, tmp_path / "run", say=lines.append)
    assert any(line.startswith("note: data.workers=999, of which ") for line in lines)


def test_training_alone_crops_at_random(table: ClipTable) -> None:
    data = datasets(split(table), small_recipe("data.clip_seconds=0.1"), check_clips(table.clips), print)
    n_heard = {}
    for name, part in data.items():
        crops = [part[Pick(0, (seed,))].waveform for seed in range(4)]
        n_heard[name] = len({crop.numpy().tobytes() for crop in crops if crop is not None})
    assert n_heard == {"train": 4, "valid": 1, "test": 1}
