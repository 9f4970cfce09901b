"""Archives for the tests of this folder, written field by field where Python's own modules cannot."""

from __future__ import annotations

import io
import struct
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile


def make_zip(path: Path, contents: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, contents: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> Path:
    """A tar.gz of files and of symbolic links {name: target}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return path


def make_split_zip(path: Path, contents: Mapping[str, bytes], part_size: int, wide: bool = False) -> list[Path]:
    """A zip in files of `part_size` bytes, as `zip -s` makes them: X.z01, X.z02, ..., X.zip.

    Written after PKWARE's APPNOTE.TXT: a local header is never cut by the end of a file, and offsets count from the
    beginning of the file. `wide` puts every offset and disk number into 64-bit fields.
    """
    parts = [bytearray(b"PK\7\10")]  # the mark of a split archive

    def put(data: bytes, whole: bool = False) -> tuple[int, int]:
        if whole and len(parts[-1]) + len(data) > part_size:
            parts.append(bytearray())
        place = len(parts) - 1, len(parts[-1])
        while data:
            if len(parts[-1]) >= part_size:
                parts.append(bytearray())
            room = part_size - len(parts[-1])
            parts[-1] += data[:room]
            data = data[room:]
        return place

    entries = []
    for name, content in contents.items():
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = packer.compress(content) + packer.flush()
        sizes = (zlib.crc32(content), len(packed), len(content))
        header = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, 0x800, 8, 0, 0, *sizes, len(name.encode()), 3)
        disk, offset = put(header + name.encode() + b"abc", whole=True)
        put(packed)
        entries.append((name.encode(), sizes, disk, offset))
    directory = b""
    for name, sizes, disk, offset in entries:
        extra = struct.pack("<HH3sHHQI", 0x5455, 3, b"xyz", 1, 12, offset, disk) if wide else b""
        plain = (0xFFFF, 0, 0, 0xFFFFFFFF) if wide else (disk, 0, 0, offset)
        directory += struct.pack(
            "<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, 0x800, 8, 0, 0, *sizes, len(name), len(extra), 0, *plain
        )
        directory += name + extra
    disk, offset = put(directory)
    n = len(entries)
    if wide:
        place64 = put(
            struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, disk, disk, n, n, len(directory), offset), True
        )
        put(struct.pack("<4sIQI", b"PK\6\7", *place64, len(parts)) + _end(0xFFFF, 0xFFFF, 0xFFFFFFFF, directory), True)
    else:
        put(_end(disk, n, offset, directory), True)
    names = [path.with_suffix(f".z{k:02d}") for k in range(1, len(parts))] + [path]
    for name, part in zip(names, parts, strict=True):
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_bytes(part)
    return names


def _end(disk: int, n_entries: int, offset: int, directory: bytes) -> bytes:
    return struct.pack("<4sHHHHIIH", b"PK\5\6", disk, disk, n_entries, n_entries, len(directory), offset, 0)
