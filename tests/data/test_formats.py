"""A recording that was cut off says so where its header announced more; sizes that writers make up say nothing."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
import soundfile

from data.sounds import FORMATS, chirp, write
from tenuto.data import audio
from tenuto.data.audio import AudioError

RATE_HZ, SECONDS = 16000, 5.0
ANNOUNCING = {"wav": "WAV", "aiff": "AIFF", "au": "AU", "w64": "W64", "rf64": "RF64"}


def cut(path: Path, share: float = 0.4) -> Path:
    """Only the first `share` of its bytes."""
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


@pytest.mark.parametrize("ending", ANNOUNCING)
def test_a_cut_recording_is_read_and_known_for_one(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, chirp(SECONDS), RATE_HZ, format=ANNOUNCING[ending])
    assert audio.scan(path).announced_seconds is None
    assert len(list(audio.blocks(path, RATE_HZ, 1.0))) == 5
    facts = audio.scan(cut(path))
    assert facts.seconds == pytest.approx(0.4 * SECONDS, abs=0.01)
    assert facts.announced_seconds == pytest.approx(SECONDS, abs=0.01)
    assert len(audio.read(path, RATE_HZ)) == facts.n_samples
    with pytest.raises(AudioError, match=r"cut off \(its header announces [45]\.\d\d s, [12]\.\d\d s are there\)"):
        list(audio.blocks(path, RATE_HZ, 1.5))


def test_all_that_is_there_comes_before_the_fault(tmp_path: Path) -> None:
    path = cut(write(tmp_path / "a.wav", chirp(SECONDS)))
    windows = audio.blocks(path, RATE_HZ, 1.5)
    heard = len(next(windows)[1]) + len(next(windows)[1])
    with pytest.raises(AudioError, match="cut off"):
        next(windows)
    assert heard == len(audio.read(path, RATE_HZ))


@pytest.mark.parametrize("announced", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, 160002])
def test_sizes_of_pipes_and_of_careless_writers_announce_nothing(tmp_path: Path, announced: int) -> None:
    path = write(tmp_path / "a.wav", chirp(SECONDS))
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = struct.pack("<I", announced)
    path.write_bytes(content)
    assert audio.scan(path).announced_seconds is None
    assert len(list(audio.blocks(path, RATE_HZ, 1.0))) == 5


@pytest.mark.parametrize("ending", [ending for ending in FORMATS if ending != "wav"])
def test_whole_files_of_the_other_formats_announce_no_more(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"a.{ending}", chirp(SECONDS))
    assert audio.scan(path).announced_seconds is None
    assert sum(len(window) for _, window in audio.blocks(path, RATE_HZ, 1.0)) == len(audio.read(path, RATE_HZ))


@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path: Path, linked: bool) -> None:
    pipe, link = tmp_path / "pipe.wav", tmp_path / "link.wav"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    end = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        os.write(end, bytes(4096))  # as much as is looked at, so that this test fails rather than waits
        with pytest.raises(AudioError, match=r"not a regular file$"):
            audio.scan(link if linked else pipe)
        assert len(os.read(end, 8192)) == 4096, "nothing was read from it"
    finally:
        os.close(end)
