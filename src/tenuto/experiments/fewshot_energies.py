"""Mel energies of a whole data set, computed once, on disk, memory-mapped by every process that trains on them.

    CACHE/energies/NAME-KEY/energies.f32   (frame, band) of all clips end to end, little-endian float32
    CACHE/energies/NAME-KEY/index.json     paths, frames of each clip, files left out; written last

KEY stands for the clips (path, size, time of each file) and the front end's settings. Compression is not part of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tenuto.data import audio
from tenuto.data.check import Report, check_clips
from tenuto.data.clips import Clip, ClipTable
from tenuto.errors import UsageError, WorkError
from tenuto.experiments.fewshot_patches import Clips
from tenuto.files import atomic_write, read_json, write_json
from tenuto.frontend.frontend import Frontend
from tenuto.models.build import build_frontend
from tenuto.models.settings import FrontendSettings
from tenuto.report.words import counted

Say = Callable[[str], None]
_TYPE = np.dtype("<f4")


@dataclass(frozen=True)
class Energies:
    """The clips of a data set that can be used, their energies in the table's order, and what was left out."""

    table: ClipTable
    clips: Clips
    left_out: tuple[tuple[str, str], ...]  # path as shown, reason

    def indices(self, clips: tuple[Clip, ...]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Positions of some clips of the table: (clip,)."""
        position = {clip.path: index for index, clip in enumerate(self.table.clips)}
        return np.array([position[clip.path] for clip in clips], np.int64)


def default_cache() -> Path:
    """TENUTO_CACHE, else tenuto's folder in the user's cache."""
    given = os.environ.get("TENUTO_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tenuto"


def load_energies(table: ClipTable, settings: FrontendSettings, cache: Path, say: Say) -> Energies:
    """The energies of every clip of the table, from the cache or computed now; of several processes one computes.

    Files that cannot be decoded, and silent ones, are left out and named.

    Raises:
        WorkError: no clip can be used, or the cache cannot be written to.
    """
    name = re.sub(r"[^\w.+-]", "_", table.name)
    folder = cache / "energies" / f"{name}-{_key(table, settings)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder / "lock"):
            if not (folder / "index.json").exists():
                say(f"{table.name}: mel energies of {counted(len(table.clips), 'clip')}, once for all trainings")
                _compute(table, settings, folder)
    except OSError as error:
        raise WorkError(f"{folder}: {error.strerror or error}; name another folder with --cache") from error
    return _read(table, folder)


def build_quietly(settings: FrontendSettings) -> Frontend:
    """The front end; the published 128 bands of 513 bins leave a few lowest bands empty, which is known here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*fall between two bins")
        return build_frontend(settings)


def _key(table: ClipTable, settings: FrontendSettings) -> str:
    kept = {key: value for key, value in asdict(settings).items() if key not in ("compression", "resolution")}
    files = [(table.shown(clip.path), *_stamp(clip.path)) for clip in table.clips]
    told = json.dumps([str(table.root.resolve()), kept, files], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return -1, -1  # missing: left out by the check
    return found.st_size, found.st_mtime_ns


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Waits until no other process computes these energies; a lock dies with its process."""
    with open(path, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@torch.no_grad()
def _compute(table: ClipTable, settings: FrontendSettings, folder: Path) -> None:
    report: Report = check_clips(table.clips)
    usable = report.usable(table)
    filterbank = build_quietly(settings).filterbank.eval()
    n_frames: list[int] = []
    with atomic_write(folder / "energies.f32") as beside, open(beside, "wb") as file:
        for clip in usable.clips:
            samples = torch.from_numpy(audio.read(clip.path, settings.sample_rate))
            energies = filterbank(samples[None])[0].T.contiguous()  # (frame, band)
            file.write(energies.numpy().astype(_TYPE, copy=False).tobytes())
            n_frames.append(len(energies))
    left_out = [[table.shown(entry.path), entry.reason] for entry in report.left_out]
    paths = [table.shown(clip.path) for clip in usable.clips]
    write_json(
        folder / "index.json",
        {"paths": paths, "n_frames": n_frames, "n_bands": settings.n_mels, "left_out": left_out},
    )


def _read(table: ClipTable, folder: Path) -> Energies:
    index = read_json(folder / "index.json")
    n_frames = np.array(index["n_frames"], np.int64)
    shape = (int(n_frames.sum()), int(index["n_bands"]))
    frames = np.memmap(folder / "energies.f32", _TYPE, "r", shape=shape)
    good = set(index["paths"])
    clips = tuple(clip for clip in table.clips if table.shown(clip.path) in good)
    lost = tuple(clip for clip in table.clips if table.shown(clip.path) not in good)
    usable = replace(table, clips=clips, lost=(*table.lost, *lost))
    left_out = tuple((path, reason) for path, reason in index["left_out"])
    return Energies(usable, Clips(frames, np.cumsum(n_frames) - n_frames, n_frames), left_out)


def refuse_several_labels(table: ClipTable) -> None:
    """Raises UsageError for a table whose clips carry several labels."""
    if table.multi_label:
        raise UsageError(f"{table.name}: clips with several labels; n clips a class wants one label a clip")
