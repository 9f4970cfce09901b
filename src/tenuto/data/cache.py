"""Decoded audio on disk: every clip once, at one sample rate, in one memory-mapped file that several processes share.

    FOLDER/16000hz.float32.samples   the samples of all clips, end to end, little-endian
    FOLDER/16000hz.float32.index     a line of JSON a clip: path, size and time of its file, where its samples are
    FOLDER/16000hz.float32.lock      held by the process that writes

Samples are only ever appended, and a clip's line is written after its samples have reached the disk: whoever reads
sees whole clips, whenever a writer was killed. A clip whose file has changed since is decoded again.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tenuto.data import audio
from tenuto.errors import UsageError, WorkError
from tenuto.files import write_text
from tenuto.models.settings import unknown_name

SampleFormat = Literal["float32", "int16"]
"""float32: the very samples that are read; int16: half the size, each within a 65,536th of the clip's full scale."""
Say = Callable[[str], None]

_TYPES: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "int16": np.dtype("<i2")}
_INT16_STEPS = 32768
_GROUP_BYTES = 64 << 20  # decoded at a time, and lost if the writer is killed
_SPARE_BYTES = 64 << 20  # left free on the disk


@dataclass(frozen=True)
class _Entry:
    """Where the samples of a file are, and what the file was when they were made."""

    path: str
    size: int
    mtime_ns: int
    start: int  # in samples
    n_samples: int
    scale: float = 1.0  # full scale of int16 samples: above 1 where a clip exceeds it

    @property
    def end(self) -> int:
        return self.start + self.n_samples


class SampleCache:
    """The decoded clips in `folder` of `sample_rate` (Hz).

    Raises:
        UsageError: an unknown format, or a folder that is a file or in one.
        WorkError: a folder that cannot be read.
    """

    def __init__(
        self, folder: str | os.PathLike[str], sample_rate: int, sample_format: SampleFormat = "float32"
    ) -> None:
        if sample_format not in get_args(SampleFormat):
            raise UsageError(unknown_name(sample_format, list(get_args(SampleFormat)), "format of samples"))
        self.folder, self.sample_rate, self.sample_format = Path(folder), sample_rate, sample_format
        for place in (self.folder, *self.folder.parents):
            if place.exists() and not place.is_dir():
                raise UsageError(f"{place} is a file: decoded audio wants a folder")
        self.dtype: np.dtype[Any] = _TYPES[sample_format]
        self._entries = self._read_index()
        self._found: dict[Path, _Entry | None] = {}
        self._samples: NDArray[Any] | None = None

    def find(self, path: Path) -> NDArray[np.float32] | None:
        """The clip's samples (samples,), not to be written to; None where they are not here or its file has changed."""
        if path not in self._found:
            self._found[path] = self._current(path)
        entry = self._found[path]
        if entry is None:
            return None
        stored = self._mapped()[entry.start : entry.end]
        if self.sample_format == "float32":
            return stored
        return stored.astype(np.float32) * np.float32(entry.scale / _INT16_STEPS)

    def fill(self, n_samples: Mapping[Path, int], say: Say | None = None) -> None:
        """Decodes what is not here yet, or no longer as it was. A file that fails is passed over: its turn will tell.

        Args:
            n_samples: of each clip at `sample_rate`, to say beforehand how much it will be.
            say: is told that, and how far it has come.

        Raises:
            WorkError: the disk has not enough room, or the folder cannot be written.
        """
        tell = say or (lambda line: None)
        missing = self._missing(n_samples)
        if not missing:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._announce(n_samples, missing, tell)
            with self._writing(tell):
                self._entries = self._read_index()  # another process may have written
                self._decode(self._missing(n_samples), n_samples, tell)
        except OSError as error:
            raise WorkError(f"{self.folder}: decoded audio cannot be written: {error.strerror or error}") from error
        finally:
            self._found.clear()
            self._samples = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_samples": None}  # another process maps the file itself

    def _file(self, kind: str) -> Path:
        return self.folder / f"{self.sample_rate}hz.{self.sample_format}.{kind}"

    def _mapped(self) -> NDArray[Any]:
        if self._samples is None:
            self._samples = np.memmap(self._file("samples"), self.dtype, mode="r").view(np.ndarray)
        return self._samples

    def _read_index(self) -> dict[str, _Entry]:
        """By path, the newest last line wins; a torn line, or one whose samples were lost, does not count."""
        try:
            lines = self._file("index").read_text(encoding="utf-8").split("\n")[:-1]
            n_written = self._file("samples").stat().st_size // self.dtype.itemsize
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise WorkError(f"{self._file('index')} cannot be read ({error}): delete {self.folder}") from error
        entries = (_parsed(line) for line in lines)
        return {entry.path: entry for entry in entries if entry is not None and entry.end <= n_written}

    def _current(self, path: Path) -> _Entry | None:
        """What is here of the file as it is now."""
        entry = self._entries.get(_key(path))
        try:
            now = path.stat()
        except OSError:
            return None
        same = entry is not None and (entry.size, entry.mtime_ns) == (now.st_size, now.st_mtime_ns)
        return entry if same else None

    def _missing(self, n_samples: Mapping[Path, int]) -> list[Path]:
        return [path for path in n_samples if self._current(path) is None]

    def _announce(self, n_samples: Mapping[Path, int], missing: Sequence[Path], say: Say) -> None:
        """Says how much will be written, and refuses where there is no room for it."""
        n_new = sum(n_samples[path] for path in missing)
        n_bytes, free = n_new * self.dtype.itemsize, shutil.disk_usage(self.folder).free
        what = (
            f"{len(missing)} of {len(n_samples)} clips to decode, {n_new / self.sample_rate / 60:.1f} min "
            f"at {self.sample_rate} Hz in {self.sample_format}: {_shown(n_bytes)}, with {_shown(free)} free"
        )
        if n_bytes + _SPARE_BYTES > free:
            raise WorkError(
                f"{self.folder}: not enough room for {what}: choose another folder as data.cache, "
                "data.cache_format=int16 (half the size of float32), or data.cache=null"
            )
        say(f"decoded audio in {self.folder}: {what}{self._told_outdated()}")

    def _told_outdated(self) -> str:
        """How much of the file is of clips that have changed, where that is most of it."""
        samples = self._file("samples")
        n_bytes = samples.stat().st_size if samples.exists() else 0
        used = sum(entry.n_samples for entry in self._entries.values()) * self.dtype.itemsize
        if n_bytes <= 2 * used:
            return ""
        return f"; {_shown(n_bytes - used)} there are of no use any more: deleting the folder gains them"

    @contextmanager
    def _writing(self, say: Say) -> Iterator[None]:
        """Holds the lock, which the system takes back from a process that dies."""
        with self._file("lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"another process is decoding into {self.folder}: waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _decode(self, paths: Sequence[Path], n_samples: Mapping[Path, int], say: Say) -> None:
        """Decodes group by group, by threads; what is done when an interruption comes stays."""
        lines = "".join(_line(entry) for entry in self._entries.values())
        write_text(self._file("index"), lines)  # without torn and lost ones, which a longer file would bring back
        n_done = 0
        pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
        try:
            for group in _groups(paths, n_samples, _GROUP_BYTES // np.dtype(np.float32).itemsize):
                self._append([each for each in pool.map(self._read, group) if each is not None])
                n_done += len(group)
                say(f"decoded {n_done} of {len(paths)} clips")
        finally:
            pool.shutdown(cancel_futures=True)

    def _read(self, path: Path) -> tuple[Path, os.stat_result, NDArray[np.float32]] | None:
        try:
            before = path.stat()  # so that a file which changes while it is read does not count as read
            return path, before, audio.read(path, self.sample_rate)
        except (OSError, audio.AudioError):
            return None

    def _append(self, clips: Sequence[tuple[Path, os.stat_result, NDArray[np.float32]]]) -> None:
        """Samples first, to the disk, then their lines."""
        entries = []
        with self._file("samples").open("ab") as file:
            file.write(bytes(-file.tell() % self.dtype.itemsize))  # a writer was killed within a sample
            for path, stat, samples in clips:
                stored, scale = self._stored(samples)
                start = file.tell() // self.dtype.itemsize
                entries.append(_Entry(_key(path), stat.st_size, stat.st_mtime_ns, start, len(samples), scale))
                file.write(stored.tobytes())
            file.flush()
            os.fsync(file.fileno())
        with self._file("index").open("a", encoding="utf-8") as file:
            file.writelines(map(_line, entries))
        self._entries |= {entry.path: entry for entry in entries}

    def _stored(self, samples: NDArray[np.float32]) -> tuple[NDArray[Any], float]:
        if self.sample_format == "float32":
            return samples.astype(self.dtype, copy=False), 1.0
        scale = max(1.0, float(np.abs(samples).max()))
        steps = np.rint(samples.astype(np.float64) * (_INT16_STEPS / scale))
        return np.clip(steps, -_INT16_STEPS, _INT16_STEPS - 1).astype(self.dtype), scale


def _key(path: Path) -> str:
    return os.path.abspath(path)


def _line(entry: _Entry) -> str:
    return json.dumps(asdict(entry)) + "\n"


def _parsed(line: str) -> _Entry | None:
    try:
        entry = _Entry(**json.loads(line))
    except (ValueError, TypeError):
        return None
    whole = (entry.size, entry.mtime_ns, entry.start, entry.n_samples)
    typed = isinstance(entry.path, str) and isinstance(entry.scale, float) and all(type(n) is int for n in whole)
    return entry if typed and entry.start >= 0 and entry.n_samples >= 0 else None


def _groups(paths: Sequence[Path], n_samples: Mapping[Path, int], n_most: int) -> Iterator[list[Path]]:
    """Runs of paths of at most so many samples together (or of one path)."""
    group: list[Path] = []
    n_group = 0
    for path in paths:
        if group and n_group + n_samples[path] > n_most:
            yield group
            group, n_group = [], 0
        group.append(path)
        n_group += n_samples[path]
    if group:
        yield group


def _shown(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"
