"""Clips to batches: lengths, crops, padding, caching, and files that fail when it is their turn."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from data.sounds import chirp, make_folders, write
from tenuto.data import audio
from tenuto.data.batching import Batch, ClipDataset, collate, evaluation_loader, train_loader
from tenuto.data.check import check_clips
from tenuto.data.clips import Clip, ClipTable
from tenuto.data.sampling import Pick
from tenuto.data.sets import find_clips
from tenuto.errors import WorkError

RATE = 8000
HALF_A_STEP = 2e-5  # of 16 bits


@pytest.fixture
def table(tmp_path: Path) -> ClipTable:
    """Six clips of 0.1 to 0.14 s, resampled from 16 kHz."""
    return find_clips(make_folders(tmp_path / "set", {"cat": 5, "dog": 1}))


def dataset(table: ClipTable, **settings: object) -> ClipDataset:
    return ClipDataset(table.clips, table.labels, RATE, **settings)  # type: ignore[arg-type]


def break_file(clip: Clip) -> None:
    clip.path.write_bytes(b"")


def assert_same(one: list[Batch], other: list[Batch]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a.waveforms, b.waveforms, rtol=0, atol=0)
        assert a.indices.tolist() == b.indices.tolist()


def test_a_clip_and_its_target(table: ClipTable) -> None:
    item = dataset(table)[1]
    assert item.waveform is not None
    np.testing.assert_array_equal(item.waveform, audio.read(table.clips[1].path, RATE))
    assert item.target.tolist() == [1, 0]
    assert item.target.dtype == torch.float32
    assert (item.index, item.left_out) == (1, ())


def test_targets_of_several_labels_and_of_unknown_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", chirp(0.1))
    clips = [Clip(path, ("x", "y")), Clip(path, ("y", "unknown")), Clip(path, ())]
    assert ClipDataset(clips, ("x", "y", "z"), RATE).targets.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_variable_lengths_are_padded_with_zeros_to_the_longest(table: ClipTable) -> None:
    data = dataset(table)
    batch = collate([data[0], data[4], data[5]])
    assert batch.lengths.tolist() == [800, 1120, 800]
    assert batch.lengths.dtype == torch.int64
    assert batch.waveforms.shape == (3, 1120)
    assert not batch.waveforms[0, 800:].any()
    assert batch.targets.tolist() == [[1, 0], [1, 0], [0, 1]]
    assert len(batch) == 3


def test_lengths_are_known_before_reading_and_exact(table: ClipTable) -> None:
    report = check_clips(table.clips)
    for facts in (None, report.facts):
        data = dataset(table, facts=facts)
        assert data.lengths == [len(audio.read(clip.path, RATE)) for clip in table.clips]


def test_lengths_of_every_format_are_exact(tmp_path: Path) -> None:
    clips = [
        Clip(write(tmp_path / f"{k}.{ending}", chirp(0.3 + k / 1000, 22050), 22050), ("x",))
        for k, ending in enumerate(["wav", "flac", "ogg", "mp3"])
    ]
    data = ClipDataset(clips, ("x",), 16000)
    assert data.lengths == [len(data[k].waveform) for k in range(4)]  # type: ignore[arg-type]


def test_known_facts_open_no_file(table: ClipTable, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset(table, facts=check_clips(table.clips).facts)
    monkeypatch.setattr(audio, "facts", lambda path: pytest.fail(f"{path} was opened"))
    assert data.lengths[0] == 800


def test_a_fixed_length_pads_at_the_end_and_counts_it_as_sound(table: ClipTable) -> None:
    batch = next(iter(evaluation_loader(dataset(table, clip_seconds=0.2), 6)))
    assert batch.waveforms.shape == (6, 1600)
    assert batch.lengths.tolist() == [1600] * 6
    assert not batch.waveforms[0, 800:].any()
    np.testing.assert_array_equal(batch.waveforms[0, :800], audio.read(table.clips[0].path, RATE))


@pytest.mark.parametrize("cache_bytes", [1 << 30, 0])
def test_evaluation_crops_the_centre(table: ClipTable, cache_bytes: int) -> None:
    data = dataset(table, clip_seconds=0.05, cache_bytes=cache_bytes)
    whole = audio.read(table.clips[0].path, RATE)
    assert data.caches == bool(cache_bytes)
    np.testing.assert_allclose(data[0].waveform, whole[200:600], atol=1e-4)


def test_random_crops_follow_seed_epoch_and_clip(table: ClipTable) -> None:
    data = dataset(table, clip_seconds=0.05, random_crop=True)
    picks = [Pick(0, (0, 0)), Pick(0, (0, 1)), Pick(0, (1, 0)), Pick(0, (1, 1))]
    crops = [tuple(data[pick].waveform.tolist()) for pick in picks]  # type: ignore[union-attr]
    assert len(set(crops)) == 4
    assert crops == [tuple(data[pick].waveform.tolist()) for pick in picks]  # type: ignore[union-attr]


def test_random_crops_reach_both_ends(table: ClipTable) -> None:
    data = dataset(table, clip_seconds=0.0995, random_crop=True)  # 4 of 800 samples to spare: 5 places
    whole = audio.read(table.clips[0].path, RATE)
    found = set()
    for epoch in range(60):
        crop = data[Pick(0, (0, epoch))].waveform
        found |= {start for start in range(5) if np.array_equal(crop, whole[start : start + 796])}
    assert found == set(range(5))


def test_a_crop_read_from_disk_equals_the_one_from_memory(table: ClipTable) -> None:
    cached, read = (dataset(table, clip_seconds=0.05, random_crop=True, cache_bytes=n) for n in (1 << 30, 0))
    for epoch in range(5):
        pick = Pick(2, (7, epoch))
        np.testing.assert_allclose(cached[pick].waveform, read[pick].waveform, atol=1e-4)


def test_cached_clips_are_decoded_once(table: ClipTable, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    read: Callable[..., object] = audio.read
    monkeypatch.setattr(audio, "read", lambda path, *rest: (reads.append(path), read(path, *rest))[1])
    data = dataset(table)
    data.preload()
    for _ in range(2):
        list(train_loader(data, 4))
    assert sorted(reads) == sorted(clip.path for clip in table.clips)


def test_what_a_batch_does_to_a_waveform_stays_out_of_the_cache(table: ClipTable) -> None:
    for settings in ({}, {"clip_seconds": 0.05}, {"clip_seconds": 0.2}):
        data = dataset(table, **settings)
        data[0].waveform.zero_()  # type: ignore[union-attr]
        assert data[0].waveform.any()  # type: ignore[union-attr]


@pytest.mark.parametrize("clip_seconds", [None, 0.05])
def test_workers_make_the_same_batches(table: ClipTable, clip_seconds: float | None) -> None:
    epochs = []
    for workers in (0, 2):
        loader = train_loader(dataset(table, clip_seconds=clip_seconds, random_crop=True), 2, seed=3, workers=workers)
        batches = []
        for epoch in range(2):
            loader.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
            batches += list(loader)
        epochs.append(batches)
    assert_same(*epochs)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_fails_in_training_is_replaced_and_reported_once(
    table: ClipTable, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    break_file(table.clips[2])
    data = dataset(table, random_crop=True)
    loader = train_loader(data, 3, workers=workers)
    with caplog.at_level(logging.WARNING, "tenuto"):
        for epoch in range(3):
            loader.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
            drawn = torch.cat([batch.indices for batch in loader])
            assert len(drawn) == 6
            assert 2 not in drawn
    assert data.left_out == [(table.clips[2].path, "empty (0 bytes)")]
    assert len(caplog.records) == 1
    assert "02.wav: empty (0 bytes)" in caplog.text


def test_the_replacement_brings_its_own_target(table: ClipTable) -> None:
    break_file(table.clips[5])  # the only dog
    item = dataset(table, random_crop=True)[5]
    assert item.index != 5
    assert item.target.tolist() == [1, 0]
    assert [path for path, _ in item.left_out] == [table.clips[5].path]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_fails_in_evaluation_is_passed_over(table: ClipTable, workers: int) -> None:
    facts = check_clips(table.clips).facts
    for k in (0, 4):  # 4 is alone with its length: its batch is empty
        break_file(table.clips[k])
    data = dataset(table, facts=facts)
    batches = list(evaluation_loader(data, 8, workers=workers))
    assert sorted(torch.cat([batch.indices for batch in batches]).tolist()) == [1, 2, 3, 5]
    assert all(len(batch) for batch in batches)
    assert sorted(path.name for path, _ in data.left_out) == ["00.wav", "04.wav"]


def test_a_disk_that_is_gone_stops_with_one_line(table: ClipTable) -> None:
    for clip in table.clips:
        clip.path.unlink()
    with pytest.raises(WorkError, match=r"20 files in a row cannot be read; the last is .*: no such file"):
        dataset(table, random_crop=True)[0]


def test_equal_kept_lengths_share_a_batch(table: ClipTable) -> None:
    data = dataset(table)
    batches = list(evaluation_loader(data, 4, kept=lambda samples: samples // 200))
    assert [batch.indices.tolist() for batch in batches] == [[0, 1, 2, 5], [3, 4]]
    for batch in batches:
        assert len(set((batch.lengths // 200).tolist())) == 1


def test_an_evaluation_does_not_depend_on_chance(table: ClipTable) -> None:
    torch.manual_seed(1)
    one = list(evaluation_loader(dataset(table, clip_seconds=0.05), 4))
    torch.manual_seed(2)
    assert_same(one, list(evaluation_loader(dataset(table, clip_seconds=0.05), 4)))


def test_balanced_batches_hear_the_rare_class(table: ClipTable) -> None:
    loader = train_loader(dataset(table), 3, balanced=True, seed=0)
    n_dogs = 0.0
    for epoch in range(40):
        loader.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
        n_dogs += sum(float(batch.targets[:, 1].sum()) for batch in loader)
    assert 0.35 < n_dogs / (40 * 6) < 0.65


def test_batches_move_and_survive_pickling(table: ClipTable) -> None:
    batch = next(iter(train_loader(dataset(table), 3)))
    moved = batch.to("meta")
    assert moved.waveforms.is_meta
    assert moved.targets.is_meta
    assert moved.lengths is batch.lengths  # to look at them waits for no device
    assert not batch.waveforms.is_meta
    assert_same([pickle.loads(pickle.dumps(batch))], [batch])


def test_indices_beyond_the_clips(table: ClipTable) -> None:
    data = dataset(table)
    assert data[-1].index == 5
    with pytest.raises(IndexError, match="clip 6 of 6"):
        data[6]


def test_real_clips_of_very_different_lengths(real_data: Path) -> None:
    table = find_clips(real_data / "philharmonia")
    clips = table.clips[::60]
    loader = train_loader(ClipDataset(clips, table.labels, 16000), 8)
    batches = list(loader)
    assert sorted(torch.cat([b.indices for b in batches]).tolist()) == list(range(len(clips)))
    for batch in batches:
        assert batch.waveforms.shape[1] == batch.lengths.max()
        for row, length in zip(batch.waveforms, batch.lengths, strict=True):
            assert row[:length].abs().max() > 0
            assert not row[length:].any()
