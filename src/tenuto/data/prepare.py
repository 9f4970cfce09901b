"""A published data set into a folder, in the layout that `find_clips` knows: downloaded, checked, unpacked.

Each step is done once: the same call goes on where an earlier one stopped, and returns at once where all is there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tenuto.data.archives import PUBLICATIONS, Publication
from tenuto.data.clips import ClipTable
from tenuto.data.download import Progress, Remote, download
from tenuto.data.sets import LAYOUTS, find_clips
from tenuto.data.unpack import unpack
from tenuto.errors import UsageError, WorkError
from tenuto.files import read_json, write_json

ARCHIVES = "archives"
_NOTE = ".tenuto-prepared.json"

Say = Callable[[str], None]


def publication(name: str) -> Publication:
    """The publication of a data set.

    Raises:
        UsageError: not one that is known.
    """
    if name not in PUBLICATIONS:
        near = get_close_matches(name, PUBLICATIONS, n=1)
        hint = f"; nearest: {near[0]}" if near else ""
        raise UsageError(f"no data set {name!r} to prepare: wanted {', '.join(PUBLICATIONS)}{hint}")
    return PUBLICATIONS[name]


def prepare(
    name: str,
    root: str | os.PathLike[str],
    *,
    archives: str | os.PathLike[str] | None = None,
    keep: bool = False,
    say: Say,
) -> ClipTable | None:
    """Downloads and unpacks the data set into `root`; its clips, or None where it cannot be downloaded.

    Args:
        root: a folder that is empty or not there, or one that an earlier call left half done, or the data set itself.
        archives: where downloads go, or lie already (such files are kept); None: a folder in `root`.
        keep: whether to keep the archives in `root` when they are unpacked.
        say: is told a line a step.

    Raises:
        UsageError: an unknown data set, or a folder with other things in it.
        WorkError: a download that fails, an archive that is broken, a disk that is full, clips that are not there.
    """
    published, root = publication(name), Path(root)
    if not published.archives:
        return _found_or_told(name, root, published, say)
    if _is_there(name, root, published):
        return _found(name, root, published, say)
    _refuse_others(name, root)
    _note(name, root)
    folder = Path(archives) if archives is not None else root / ARCHIVES
    say(f"{published.title} ({published.terms}), {len(published.remotes)} files into {root}{_told_size(published)}")
    for parts in published.archives:
        if parts[-1].name not in _done(root):
            _prepare_one(parts, folder, root, published.strip, say)
            _note(name, root, parts[-1].name)
            if not keep and archives is None:
                _remove(parts, folder)
    return _found(name, root, published, say)


def _prepare_one(parts: tuple[Remote, ...], folder: Path, root: Path, strip: bool, say: Say) -> None:
    """Downloads and unpacks one archive, of one file or several."""
    paths = []
    for remote in parts:
        with _bar(remote.name, "B") as bar:
            paths.append(download(remote, folder, _following(bar)))
        said = "checksum right" if remote.checksum else "no published checksum, size checked"
        say(f"{remote.name}: {paths[-1].stat().st_size:,} bytes, {said}")
    with _bar(f"unpacking {parts[-1].name}", " files") as bar:
        n_files = unpack(paths, root, strip=strip, progress=bar.update)
    say(f"{parts[-1].name}: {n_files:,} files unpacked")


@contextmanager
def _bar(what: str, unit: str) -> Iterator[tqdm[Any]]:
    """A progress bar with rate and time left, where a person is looking."""
    bar: tqdm[Any] = tqdm(desc=what, unit=unit, unit_scale=unit == "B", disable=None, file=sys.stderr, leave=False)
    with bar:
        yield bar


def _following(bar: tqdm[Any]) -> Progress:
    """Bytes there and bytes in all, to the bar; what an earlier call left counts as done, not as fast."""

    def progress(n_there: int, total: int | None) -> None:
        if bar.total is None and bar.n == 0:
            bar.total, bar.initial = total, n_there
            bar.refresh()
        bar.update(n_there - bar.n)

    return progress


def _is_there(name: str, root: Path, published: Publication) -> bool:
    """Whether every archive was unpacked, or the data set lies there though not by our doing."""
    if (root / _NOTE).is_file() and read_json(root / _NOTE)["name"] == name:
        return _done(root) >= {parts[-1].name for parts in published.archives}
    layout = next(layout for layout in LAYOUTS if layout.name == name)
    return layout.recognises is not None and root.is_dir() and layout.recognises(root)


def _found(name: str, root: Path, published: Publication, say: Say) -> ClipTable:
    """The clips, with a word where they are fewer than were published."""
    table = find_clips(root, name)
    n_there = sum(clip.path.is_file() for clip in table.clips)
    if n_there < published.n_clips:
        say(f"{n_there:,} of {published.n_clips:,} clips are there ('tenuto data check {root}' lists what is missing)")
    return table


def _found_or_told(name: str, root: Path, published: Publication, say: Say) -> ClipTable | None:
    """The clips of a set that is on no server, if there are some; what is missing is told."""
    try:
        return _found(name, root, published, say) if _is_there(name, root, published) else None
    except UsageError as error:
        say(str(error))
        return None


def _refuse_others(name: str, root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file: name a folder for {name}")
    noted = read_json(root / _NOTE)["name"] if (root / _NOTE).is_file() else None
    if noted not in (None, name):
        raise UsageError(f"{root} holds {noted}: name another folder for {name}")
    others = [path.name for path in sorted(root.iterdir()) if path.name != ARCHIVES] if root.is_dir() else []
    if others and noted is None:
        raise UsageError(f"{root} holds other things ({others[0]}) and no {name}: name an empty folder, or a new one")


def _done(root: Path) -> set[str]:
    """The archives that are unpacked."""
    return set(read_json(root / _NOTE)["archives"]) if (root / _NOTE).is_file() else set()


def _note(name: str, root: Path, *unpacked: str) -> None:
    write_json(root / _NOTE, {"name": name, "archives": sorted({*_done(root), *unpacked})})


def _remove(parts: tuple[Remote, ...], folder: Path) -> None:
    try:
        for remote in parts:
            (folder / remote.name).unlink()
        if not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise WorkError(f"{folder}: an archive that is unpacked cannot be deleted ({error.strerror})") from None


def _told_size(published: Publication) -> str:
    sizes = [remote.n_bytes for remote in published.remotes]
    known = [size for size in sizes if size is not None]
    return f", {sum(known) / 1e9:.1f} GB" if known and len(known) == len(sizes) else ""
