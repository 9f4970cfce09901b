"""What tells one set of clips from another of the same name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tenuto.data.clips import Clip, ClipTable


def fingerprint(table: ClipTable) -> str:
    """Identifies the data: paths under the root, labels, folds, splits and sizes in bytes of all clips."""
    digest = hashlib.sha256(repr((table.labels, table.multi_label)).encode())
    for line in sorted(_clip_line(clip, Path(table.root)) for clip in table.clips):
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _clip_line(clip: Clip, root: Path) -> str:
    path = Path(clip.path)
    name = path.relative_to(root) if path.is_relative_to(root) else path
    return f"{name.as_posix()}|{clip.labels}|{clip.fold}|{clip.split}|{_size(path)}\n"


def _size(path: Path) -> int:
    """Bytes of a file; -1 where nothing is known of it: it is missing, may not be looked at, or cannot be a name."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return -1
