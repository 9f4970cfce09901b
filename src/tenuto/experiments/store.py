"""A store of results in a folder: one JSON a cell, written once; claims that die with their process."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tenuto.errors import WorkError
from tenuto.files import read_json, write_json


class Store:
    """Results by name: `cells/NAME.json` done, `failed/NAME.json` failed, `claims/NAME.lock` being worked on.

    Several processes may use one folder at once. A claim is a lock that the kernel holds for the process, so
    that a process which dies, however it dies, blocks nobody.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def names(self) -> list[str]:
        """The names of all results, in alphabetical order."""
        return sorted(path.stem for path in (self.folder / "cells").glob("*.json"))

    def has(self, name: str) -> bool:
        """Whether the result `name` is there."""
        return self._path("cells", name).exists()

    def read(self, name: str) -> dict[str, Any]:
        """The result `name`; raises WorkError where the file cannot be read as one."""
        path = self._path("cells", name)
        try:
            result = read_json(path)
        except (OSError, ValueError) as error:
            reason = f"{path}: not a stored result ({error}); delete it to have it made again"
            raise WorkError(reason) from error
        if not isinstance(result, dict):
            raise WorkError(f"{path}: not a stored result (no JSON object); delete it to have it made again")
        return result

    def write(self, name: str, result: Mapping[str, Any]) -> None:
        """Stores a result, whole or not at all, and forgets that it failed before."""
        write_json(self._path("cells", name), dict(result))
        self._path("failed", name).unlink(missing_ok=True)

    def write_failure(self, name: str, failure: Mapping[str, Any]) -> None:
        """Notes that the work on `name` failed, and why."""
        write_json(self._path("failed", name), dict(failure))

    def failed_since(self, name: str, time_seconds: float) -> bool:
        """Whether `name` failed after the given time (seconds since 1970)."""
        try:
            return self._path("failed", name).stat().st_mtime >= time_seconds
        except FileNotFoundError:
            return False

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Yields True while this process alone works on `name`; False at once where another one does."""
        path = self._path("claims", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            mine = _locked(handle) and _still_at(handle, path)
            yield mine
            if mine:
                path.unlink(missing_ok=True)  # still locked: whoever opened it meanwhile sees that it is gone
        finally:
            os.close(handle)

    def _path(self, kind: str, name: str) -> Path:
        suffix = ".lock" if kind == "claims" else ".json"
        assert re.fullmatch(r"[\w.+-]+", name), f"not a name for a file: {name!r}"
        return self.folder / kind / f"{name}{suffix}"


def _locked(handle: int) -> bool:
    """Takes the lock of an open file, or says that another process has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _still_at(handle: int, path: Path) -> bool:
    """Whether the open file is the one now at `path` (its last owner may have removed it meanwhile)."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
