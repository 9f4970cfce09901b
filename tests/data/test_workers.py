"""Processes that make batches: how many, the same batches from any number, and one line where they fail."""

from __future__ import annotations

import gc
import os
import signal
import sys
import weakref
from pathlib import Path

import pytest
import torch

from data.sounds import make_folders
from tenuto.data import audio, batching
from tenuto.data.batching import ClipDataset, choose_workers, n_cores, train_loader
from tenuto.data.clips import ClipTable
from tenuto.data.sets import find_clips
from tenuto.errors import WorkError

RATE = 8000


@pytest.fixture
def table(tmp_path: Path) -> ClipTable:
    return find_clips(make_folders(tmp_path / "set", {"cat": 5, "dog": 3}))


def dataset(table: ClipTable, **settings: object) -> ClipDataset:
    return ClipDataset(table.clips, table.labels, RATE, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cores", "wanted", "on_gpu", "cache_bytes", "expected"),
    [
        (4, 3, False, 1 << 30, 3),
        (4, 9, False, 1 << 30, 4),  # never more than processors
        (4, 0, True, 0, 0),
        (4, None, False, 1 << 30, 0),  # decoded already: nothing to do that is worth a process
        (4, None, False, 0, 2),
        (2, None, False, 0, 1),
        (1, None, False, 0, 0),
        (1, None, True, 0, 0),
        (64, None, False, 0, 4),
        (4, None, True, 1 << 30, 3),
        (64, None, True, 0, 8),
    ],
)
def test_how_many(
    table: ClipTable,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    wanted: int | None,
    on_gpu: bool,
    cache_bytes: int,
    expected: int,
) -> None:
    monkeypatch.setattr(batching, "n_cores", lambda: cores)
    assert choose_workers(wanted, dataset(table, cache_bytes=cache_bytes), 1, on_gpu) == expected


def test_no_process_without_a_batch_for_it(table: ClipTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "n_cores", lambda: 16)
    assert choose_workers(None, dataset(table, cache_bytes=0), 4, on_gpu=True) == 2


def test_processors_are_those_that_this_process_may_use() -> None:
    assert 1 <= n_cores() <= (os.cpu_count() or 1)


def test_any_number_of_processes_mixes_alike(table: ClipTable) -> None:
    epochs = []
    for workers in (0, 1, 2):
        loader = train_loader(dataset(table, random_crop=True), 3, seed=5, balanced=True, mixup=0.7, workers=workers)
        batches = []
        for epoch in range(5):
            loader.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
            batches += [(batch.waveforms, batch.targets, batch.lengths) for batch in loader]
        epochs.append(batches)
    assert any(bool(((targets > 0) & (targets < 1)).any()) for _, targets, _ in epochs[0]), "some are mixed"
    for other in epochs[1:]:
        assert len(other) == len(epochs[0])
        for a, b in zip(epochs[0], other, strict=True):
            assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_mixing_changes_from_batch_to_batch_and_epoch_to_epoch(table: ClipTable) -> None:
    loader = train_loader(dataset(table), 8, seed=5, mixup=1.0)
    shares = set()
    for epoch in range(3):
        loader.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
        shares |= {tuple(batch.waveforms.sum(dim=1).tolist()) for batch in loader}
    assert len(shares) == 3


@pytest.mark.parametrize("workers", [0, 1])
def test_a_disk_that_is_gone_is_one_line_from_any_process(table: ClipTable, workers: int) -> None:
    loader = train_loader(dataset(table, random_crop=True, cache_bytes=0), 3, workers=workers)
    for clip in table.clips:
        clip.path.unlink()
    with pytest.raises(WorkError, match=r"^20 files in a row cannot be read; the last is .*: no such file$"):
        list(loader)


def test_a_disk_that_is_gone_leaves_no_process_behind(table: ClipTable) -> None:
    loader = train_loader(dataset(table, random_crop=True, cache_bytes=0), 3, workers=1)
    alive = weakref.ref(loader)
    for clip in table.clips:
        clip.path.unlink()
    gc.disable()  # what is in a circle would live until it runs
    try:
        with pytest.raises(WorkError):
            list(loader)
        del loader
        assert alive() is None
    finally:
        gc.enable()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_process_that_is_killed_is_one_line(table: ClipTable, monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()  # PyTorch tells of the killed one in whatever runs: not in the end of another test's loader
    here = os.getpid()
    data = dataset(table, cache_bytes=0)
    loader = train_loader(data, 3, workers=1)

    def killed(*args: object) -> None:
        assert os.getpid() != here
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(audio, "read", killed)
    with pytest.raises(WorkError, match=r"^one of the processes that read audio was killed, .*: set data\.workers=0"):
        list(loader)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes start afresh")
def test_processes_share_what_is_decoded_in_memory(table: ClipTable, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = train_loader(dataset(table), 3, workers=1)
    monkeypatch.setattr(audio, "read", lambda *args: pytest.fail("decoded again"))
    assert sum(len(batch) for batch in loader) == len(table.clips)


def test_an_error_of_ours_is_not_hidden(table: ClipTable, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(audio, "read", broken)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        list(train_loader(dataset(table, cache_bytes=0), 3, workers=1))
