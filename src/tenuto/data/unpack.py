"""Archives to folders: nothing is written outside the folder, and nothing is there until all of it is."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

from tenuto.data.split_zip import SplitZip
from tenuto.errors import WorkError

_CHUNK = 1 << 20
_BROKEN = (BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, NotImplementedError)

Content = tuple[str, Iterable[bytes]]
"""The name of a file in an archive and what is in it."""


def unpack(
    archives: Sequence[Path], folder: Path, *, strip: bool = False, progress: Callable[[], object] | None = None
) -> int:
    """Puts the files of an archive (zip or tar.gz; several files: the parts of one zip, the last one last) below
    `folder`, beside what is there; of the same name, in its place. Returns how many. Links and devices are passed over.

    All are unpacked and compared with the archive's checksums in a hidden folder first, then moved.

    Args:
        strip: leave out the first folder of each path (UrbanSound8K/audio/... becomes audio/...).
        progress: called after each file.

    Raises:
        WorkError: not an archive, broken, a path that leads out of the folder, or a disk that is full.
    """
    beside = folder / f".{archives[-1].name}.unpacking"
    n_files = 0
    try:
        _remove(beside)
        for name, content in _contents(archives):
            target = beside / _inside(name, strip, archives[-1])
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                for piece in content:
                    file.write(piece)
            n_files += 1
            if progress is not None:
                progress()
        _move(beside, folder)
    except _BROKEN as error:
        names = ", ".join(path.name for path in archives)
        raise WorkError(f"{names}: broken archive ({error}): delete it and give the same command again") from None
    except OSError as error:
        raise WorkError(f"{archives[-1]}: cannot be unpacked to {folder} ({error.strerror or error})") from None
    finally:
        _remove(beside)
    return n_files


def _contents(archives: Sequence[Path]) -> Iterator[Content]:
    if len(archives) > 1:
        split = SplitZip(archives)
        return ((member.name, split.read(member)) for member in split.members if not member.name.endswith("/"))
    return _zip(archives[0]) if archives[0].suffix == ".zip" else _tar(archives[0])


def _zip(archive: Path) -> Iterator[Content]:
    with ZipFile(archive) as opened:
        for member in opened.infolist():
            if not member.is_dir() and not _is_link(member.external_attr):
                with opened.open(member) as file:
                    yield member.filename, _pieces(file.read)


def _is_link(external_attr: int) -> bool:
    """Whether Unix permissions, kept in the upper half, say so."""
    return (external_attr >> 16) & 0o170000 == 0o120000


def _tar(archive: Path) -> Iterator[Content]:
    """Of a tar.gz. tarfile does not look at gzip's checksum, gzip does, once it has come to the end."""
    with gzip.open(archive) as packed:
        with tarfile.open(fileobj=packed, mode="r|") as opened:
            for member in opened:
                file = opened.extractfile(member) if member.isreg() else None
                if file is not None:
                    yield member.name, _pieces(file.read)
        for _ in _pieces(packed.read):
            pass


def _pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    return iter(partial(read, _CHUNK), b"")


def _inside(name: str, strip: bool, archive: Path) -> Path:
    """The path of a member below the folder.

    Raises:
        WorkError: it leads elsewhere.
    """
    path = PurePosixPath(name)
    parts = path.parts[1:] if strip and len(path.parts) > 1 else path.parts
    if path.is_absolute() or not parts or ".." in path.parts or any(sign in name for sign in "\\:\0"):
        raise WorkError(f"{archive}: a path in it leads out of the folder ({name!r}): nothing of it was unpacked")
    return Path(*parts)


def _move(source: Path, folder: Path) -> None:
    """Every file below `source` to the same place below `folder`; whole folders at once where that is free."""
    for path in sorted(source.iterdir()) if source.is_dir() else ():
        target = folder / path.name
        if path.is_dir() and target.is_dir():
            _move(path, target)
        else:
            os.replace(path, target)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
