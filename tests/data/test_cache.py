"""Decoded audio on disk: the same samples and batches, whatever changes, breaks off or fails meanwhile."""

from __future__ import annotations

import json
import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from data.sounds import chirp, make_folders, write, write_float
from tenuto.data import audio, cache
from tenuto.data.batching import Batch, ClipDataset, evaluation_loader, train_loader
from tenuto.data.cache import SampleCache
from tenuto.data.clips import ClipTable
from tenuto.data.sets import find_clips
from tenuto.errors import UsageError, WorkError

RATE = 8000


@pytest.fixture
def table(tmp_path: Path) -> ClipTable:
    """Six clips of 0.1 to 0.14 s, resampled from 16 kHz."""
    return find_clips(make_folders(tmp_path / "set", {"cat": 5, "dog": 1}))


def lengths(table: ClipTable) -> dict[Path, int]:
    return {clip.path: round(audio.duration_seconds(clip.path) * RATE) for clip in table.clips}


def filled(
    table: ClipTable, folder: Path, sample_format: Any = "float32", lines: list[str] | None = None
) -> SampleCache:
    made = SampleCache(folder, RATE, sample_format)
    made.fill(lengths(table), None if lines is None else lines.append)
    return made


def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are decoded from now on."""
    found: list[Path] = []
    read = audio.read
    monkeypatch.setattr(audio, "read", lambda path, *rest: (found.append(path), read(path, *rest))[1])
    return found


def same(one: Sequence[Batch], other: Sequence[Batch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a.waveforms, b.waveforms)
        and torch.equal(a.lengths, b.lengths)
        and torch.equal(a.targets, b.targets)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("clip_seconds", [None, 0.08, 0.2])
@pytest.mark.parametrize("workers", [0, 2])
def test_training_on_it_has_the_very_same_batches(
    table: ClipTable, tmp_path: Path, clip_seconds: float | None, workers: int
) -> None:
    epochs = []
    for store in (None, filled(table, tmp_path / "cache")):
        data = ClipDataset(table.clips, table.labels, RATE, clip_seconds, random_crop=True, cache=store)
        loader = train_loader(data, 4, seed=3, mixup=0.5, workers=workers)
        batches = []
        for epoch in range(3):
            loader.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
            batches += list(loader)
        epochs.append(batches)
    assert same(*epochs)
    assert not same(epochs[0][:2], epochs[0][2:4]), "epochs differ, so that equality says something"


def test_every_sample_is_the_one_that_is_read(table: ClipTable, tmp_path: Path) -> None:
    store = filled(table, tmp_path / "cache")
    for clip in table.clips:
        np.testing.assert_array_equal(store.find(clip.path), audio.read(clip.path, RATE))


def test_nothing_is_decoded_twice(table: ClipTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(table, tmp_path / "cache")
    decoded = reads(monkeypatch)
    store = filled(table, tmp_path / "cache")
    data = ClipDataset(table.clips, table.labels, RATE, cache=store)
    assert data.decoded
    assert not data.caches, "what lies on disk is not kept in memory as well"
    assert len(list(evaluation_loader(data, 4))) == 5
    assert decoded == []


def test_what_it_costs_is_said_first(table: ClipTable, tmp_path: Path) -> None:
    lines: list[str] = []
    filled(table, tmp_path / "cache", lines=lines)
    n_samples = sum(lengths(table).values())
    assert lines[0].startswith(f"decoded audio in {tmp_path / 'cache'}: 6 of 6 clips to decode, 0.0 min at 8000 Hz in ")
    assert f"float32: {n_samples * 4 / 1e6:.1f} MB, with " in lines[0]
    assert lines[-1] == "decoded 6 of 6 clips"
    assert (tmp_path / "cache" / "8000hz.float32.samples").stat().st_size == n_samples * 4
    lines.clear()
    filled(table, tmp_path / "cache", lines=lines)
    assert lines == []


def test_a_disk_without_room_is_refused_before_anything_is_written(
    table: ClipTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1000))
    with pytest.raises(WorkError, match=r"not enough room for 6 of 6 clips.* with 0\.0 MB free: choose another folder"):
        filled(table, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_changed_file_is_noticed(table: ClipTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, changed = tmp_path / "cache", table.clips[0].path
    before = filled(table, folder)
    write(changed, chirp(0.13) * 0.3)
    os.utime(changed, ns=(1, 1))
    store = SampleCache(folder, RATE)
    assert store.find(changed) is None
    assert store.find(table.clips[1].path) is not None
    decoded = reads(monkeypatch)
    store.fill(lengths(table))
    assert decoded == [changed]
    np.testing.assert_array_equal(store.find(changed), audio.read(changed, RATE))
    np.testing.assert_array_equal(SampleCache(folder, RATE).find(changed), audio.read(changed, RATE))
    for clip in table.clips[1:]:
        np.testing.assert_array_equal(before.find(clip.path), audio.read(clip.path, RATE))
    os.utime(changed, ns=(2, 2))  # the same bytes at another time: it cannot know
    assert SampleCache(folder, RATE).find(changed) is None


def test_much_of_no_use_is_told(table: ClipTable, tmp_path: Path) -> None:
    lines: list[str] = []
    for turn in range(4):
        for clip in table.clips:
            os.utime(clip.path, ns=(turn, turn))
        filled(table, tmp_path / "cache", lines=lines)
    told = [line for line in lines if line.startswith("decoded audio")]
    assert "deleting the folder gains them" in told[3]
    assert "deleting" not in told[0] + told[1]


def test_other_rates_and_formats_do_not_meet(table: ClipTable, tmp_path: Path) -> None:
    folder, path = tmp_path / "cache", table.clips[0].path
    filled(table, folder)
    assert SampleCache(folder, 16000).find(path) is None
    assert SampleCache(folder, RATE, "int16").find(path) is None


def test_int16_is_half_the_size_and_exact_for_16_bit_files(table: ClipTable, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    store = SampleCache(folder, 16000, "int16")  # the rate of the files: their own 16 bits
    store.fill({clip.path: 1600 for clip in table.clips})
    for clip in table.clips:
        np.testing.assert_array_equal(store.find(clip.path), audio.read(clip.path, 16000))
    n_samples = sum(2 * n for n in lengths(table).values())
    assert (folder / "16000hz.int16.samples").stat().st_size == n_samples * 2


def test_int16_does_not_clip_what_exceeds_full_scale(tmp_path: Path) -> None:
    loud = write_float(tmp_path / "loud.wav", chirp(0.2) * 5)
    store = SampleCache(tmp_path / "cache", 16000, "int16")
    store.fill({loud: 3200})
    found, wanted = store.find(loud), audio.read(loud, 16000)
    assert found is not None
    assert np.abs(wanted).max() > 2
    assert np.abs(found - wanted).max() <= np.abs(wanted).max() / 32768


def test_a_bad_file_is_reported_as_without(table: ClipTable, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad = table.clips[2].path
    n_samples = lengths(table)
    bad.write_bytes(b"no sound")
    store = SampleCache(tmp_path / "cache", RATE)
    store.fill(n_samples)
    assert store.find(bad) is None
    left_out = []
    for given in (None, store):
        data = ClipDataset(table.clips, table.labels, RATE, cache=given)
        with caplog.at_level(logging.WARNING):
            assert sum(len(batch) for batch in evaluation_loader(data, 4)) == 5
        left_out.append(data.left_out)
    assert left_out[0] == left_out[1]
    assert [entry.path for entry in left_out[0]] == [bad]


def test_a_file_that_is_gone_is_not_found(table: ClipTable, tmp_path: Path) -> None:
    store = filled(table, tmp_path / "cache")
    store = SampleCache(tmp_path / "cache", RATE)
    table.clips[0].path.unlink()
    assert store.find(table.clips[0].path) is None


def test_an_interruption_keeps_what_is_done(table: ClipTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_GROUP_BYTES", 4)  # a clip at a time
    read = SampleCache._read

    def interrupted(self: SampleCache, path: Path) -> Any:
        if path == table.clips[3].path:
            raise KeyboardInterrupt
        return read(self, path)

    monkeypatch.setattr(SampleCache, "_read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        filled(table, tmp_path / "cache")
    monkeypatch.setattr(SampleCache, "_read", read)
    decoded = reads(monkeypatch)
    lines: list[str] = []
    filled(table, tmp_path / "cache", lines=lines)
    assert "3 of 6 clips to decode" in lines[0]
    assert sorted(decoded) == sorted(clip.path for clip in table.clips[3:])


@pytest.mark.parametrize("torn", ["a line", "samples without a line", "a line without samples", "nonsense", "types"])
def test_what_a_killed_writer_leaves_does_no_harm(table: ClipTable, tmp_path: Path, torn: str) -> None:
    folder = tmp_path / "cache"
    filled(table, folder)
    index, samples = folder / "8000hz.float32.index", folder / "8000hz.float32.samples"
    if torn == "a line":
        index.write_text(index.read_text()[:-20])
    elif torn == "samples without a line":
        samples.write_bytes(samples.read_bytes() + b"\1" * 4001)
    elif torn == "a line without samples":
        samples.write_bytes(samples.read_bytes()[:-10])
    elif torn == "types":
        last = json.loads(index.read_text().splitlines()[-1])
        wrong = {"path": 1, "size": None, "mtime_ns": 0.5, "start": "a", "n_samples": -1, "scale": "x"}
        index.write_text(index.read_text() + "".join(f"{json.dumps(last | {k: v})}\n" for k, v in wrong.items()))
    else:
        index.write_text(index.read_text() + "nonsense\n[]\n{}\n")
    extra = write(tmp_path / "extra.wav", chirp(0.2))
    store = SampleCache(folder, RATE)
    store.fill({**lengths(table), extra: 1600})
    for path in [extra, *(clip.path for clip in table.clips)]:
        for reader in (store, SampleCache(folder, RATE)):
            np.testing.assert_array_equal(reader.find(path), audio.read(path, RATE))


FILL = """
import sys
from pathlib import Path
from tenuto.data import audio, cache
from tenuto.data.cache import SampleCache
cache._GROUP_BYTES = 4
folder, *paths = map(Path, sys.argv[1:])
read = audio.read
audio.read = lambda path, rate: (print(path, flush=True), read(path, rate))[1]
SampleCache(folder, 8000).fill({path: 1000 for path in paths}, lambda line: print(line, file=sys.stderr))
"""


def start(table: ClipTable, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", FILL, str(folder), *(str(clip.path) for clip in table.clips)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_share_the_work_and_one_that_is_killed_blocks_nobody(tmp_path: Path) -> None:
    table = find_clips(make_folders(tmp_path / "set", {"cat": 40, "dog": 40}))
    folder = tmp_path / "cache"
    killed = start(table, folder)
    assert killed.stdout is not None
    for _ in range(5):
        killed.stdout.readline()
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    both = [start(table, folder) for _ in range(2)]
    told = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    decoded = [line for out, _ in told for line in out.splitlines()]
    assert len(decoded) == len(set(decoded)), "each clip by one of them"
    assert 70 <= len(decoded) <= 79, "and none that the killed one had finished"
    store = SampleCache(folder, RATE)
    for clip in table.clips:
        np.testing.assert_array_equal(store.find(clip.path), audio.read(clip.path, RATE))


def test_it_goes_to_another_process_without_its_samples(table: ClipTable, tmp_path: Path) -> None:
    store = filled(table, tmp_path / "cache")
    wanted = store.find(table.clips[0].path)
    assert wanted is not None
    packed = pickle.dumps(store)
    assert len(packed) < 4000
    np.testing.assert_array_equal(pickle.loads(packed).find(table.clips[0].path), wanted)


def test_wrong_calls_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "sub", tmp_path / "file" / "sub" / "sub"):
        with pytest.raises(UsageError, match=r"/file is a file: decoded audio wants a folder"):
            SampleCache(folder, RATE)
    with pytest.raises(UsageError, match="unknown format of samples 'int8'; nearest: int16"):
        SampleCache(tmp_path, RATE, "int8")  # type: ignore[arg-type]
    (tmp_path / "8000hz.float32.samples").write_bytes(b"")
    (tmp_path / "8000hz.float32.index").write_bytes(b"\xff\xfe\n")
    with pytest.raises(WorkError, match="cannot be read"):
        SampleCache(tmp_path, RATE)
