"""Reading a zip archive that comes in several files (X.z01, X.z02, ..., X.zip), which Python's zipfile cannot.

The files are read as one, one behind the other; the directory at the end says in which file, and where in it, each
member begins. Field names and numbers of sections are those of PKWARE's APPNOTE.TXT.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from zipfile import BadZipFile

_END, _END64_PLACE, _END64, _ENTRY, _LOCAL = b"PK\5\6", b"PK\6\7", b"PK\6\6", b"PK\1\2", b"PK\3\4"
_CHUNK = 1 << 20
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF  # the value is in a 64-bit field instead


@dataclass(frozen=True)
class Member:
    """A file in the archive: where its local header is, how it is compressed, what it must come to."""

    name: str
    start: int
    method: int
    n_packed: int
    n_bytes: int
    crc: int


class SplitZip:
    """The files of one archive, in order, the one that ends in .zip last.

    Raises:
        BadZipFile: not the files of such an archive, or (while reading) not what the archive says.
    """

    def __init__(self, parts: Sequence[Path]) -> None:
        self.parts = tuple(parts)
        sizes = [part.stat().st_size for part in self.parts]
        self.starts = [0, *accumulate(sizes)]  # of each file in the whole
        self.members = tuple(self._directory())

    def read(self, member: Member) -> Iterator[bytes]:
        """The content of a member, piece by piece; its checksum is compared at the end."""
        header = self._bytes(member.start, 30)
        if header[:4] != _LOCAL:
            raise BadZipFile(f"no local header of {member.name}")
        n_name, n_extra = struct.unpack("<HH", header[26:30])  # 4.3.7
        start, end = member.start + 30 + n_name + n_extra, member.start + 30 + n_name + n_extra + member.n_packed
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS) if member.method == 8 else None
        crc, n_bytes = 0, 0
        for position in range(start, end, _CHUNK):
            packed = self._bytes(position, min(_CHUNK, end - position))
            piece = unpacker.decompress(packed) if unpacker else packed
            crc, n_bytes = zlib.crc32(piece, crc), n_bytes + len(piece)
            yield piece
        if (crc, n_bytes) != (member.crc, member.n_bytes):
            raise BadZipFile(f"bad CRC-32 of {member.name}")

    def _directory(self) -> Iterator[Member]:
        """Section 4.3.12, an entry a member."""
        n_entries, disk, offset = self._end()
        position = self._place(disk, offset)
        for _ in range(n_entries):
            entry = self._bytes(position, 46)
            if entry[:4] != _ENTRY:
                raise BadZipFile("the directory is broken")
            flags, method = struct.unpack("<HH", entry[8:12])
            crc, n_packed, n_bytes, n_name, n_extra, n_comment, disk = struct.unpack("<IIIHHHH", entry[16:36])
            (offset,) = struct.unpack("<I", entry[42:46])
            tail = self._bytes(position + 46, n_name + n_extra)
            name = tail[:n_name].decode("utf-8" if flags & 0x800 else "cp437")
            n_bytes, n_packed, offset, disk = _wide(tail[n_name:], n_bytes, n_packed, offset, disk)
            if flags & 1 or method not in (0, 8):
                raise BadZipFile(f"{name} is encrypted or packed by method {method}")
            yield Member(name, self._place(disk, offset), method, n_packed, n_bytes, crc)
            position += 46 + n_name + n_extra + n_comment

    def _end(self) -> tuple[int, int, int]:
        """(members, file in which the directory begins, and where in it): sections 4.3.14 to 4.3.16."""
        size = self.starts[-1]
        tail = self._bytes(max(0, size - _FULL16 - 22), min(size, _FULL16 + 22))
        found = tail.rfind(_END)
        if found < 0:
            raise BadZipFile("no end of a zip archive")
        _, disk, _, n_entries, _, offset = struct.unpack("<HHHHII", tail[found + 4 : found + 20])
        place = tail[found - 20 : found] if found >= 20 else b""
        if place[:4] == _END64_PLACE and (n_entries == _FULL16 or offset == _FULL32 or disk == _FULL16):
            disk, offset = struct.unpack("<IQ", place[4:16])
            record = self._bytes(self._place(disk, offset), 56)
            if record[:4] != _END64:
                raise BadZipFile("the 64-bit end of the directory is broken")
            disk, _, n_entries, _, offset = struct.unpack("<IQQQQ", record[20:56])
        return n_entries, disk, offset

    def _place(self, disk: int, offset: int) -> int:
        """Where in the whole: `offset` of the file number `disk`."""
        if disk >= len(self.parts):
            raise BadZipFile(f"it has {disk + 1} files or more, {len(self.parts)} are there")
        return self.starts[disk] + offset

    def _bytes(self, start: int, n_bytes: int) -> bytes:
        """Exactly so many bytes of the whole, from one or more files."""
        pieces = []
        while n_bytes:
            index = bisect_right(self.starts, start) - 1
            if start < 0 or index >= len(self.parts):
                raise BadZipFile("it ends before it should")
            with self.parts[index].open("rb") as file:
                file.seek(start - self.starts[index])
                pieces.append(file.read(min(n_bytes, self.starts[index + 1] - start)))
            if not pieces[-1]:
                raise BadZipFile(f"{self.parts[index].name} ends before it should")
            start, n_bytes = start + len(pieces[-1]), n_bytes - len(pieces[-1])
        return b"".join(pieces)


def _wide(extra: bytes, n_bytes: int, n_packed: int, offset: int, disk: int) -> tuple[int, int, int, int]:
    """Sizes, offset and disk, from the 64-bit extra field (4.5.3) where the plain fields are full."""
    position, values = 0, [(n_bytes, _FULL32, "<Q"), (n_packed, _FULL32, "<Q"), (offset, _FULL32, "<Q")]
    values.append((disk, _FULL16, "<I"))
    while position + 4 <= len(extra):
        kind, length = struct.unpack("<HH", extra[position : position + 4])
        position += 4
        if kind != 1:
            position += length
            continue
        wide, at = [], position
        for value, full, form in values:
            if value == full:
                (value,) = struct.unpack_from(form, extra, at)
                at += struct.calcsize(form)
            wide.append(value)
        return wide[0], wide[1], wide[2], wide[3]
    return n_bytes, n_packed, offset, disk
