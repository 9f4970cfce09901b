"""What a file is, by its name, by its first bytes, and by what its header announces; nothing is decoded."""

from __future__ import annotations

import os
import re
import stat

_READ = "wav wave flac ogg oga opus mp3 aif aiff aifc au snd caf w64 rf64"
_UNREAD = "m4a mp4 aac wma webm mka mkv amr ape wv ac3 3gp"
AUDIO_SUFFIXES = frozenset(f".{ending}" for ending in _READ.split(" "))
"""File names that end like this are taken for audio that is read here; the content decides in the end."""
UNREAD_SUFFIXES = frozenset(f".{ending}" for ending in _UNREAD.split(" "))
"""Audio that is not read here: listed as left out, with the format's name, rather than passed over."""

_KNOWN = b"RIFF RIFX RF64 riff fLaC OggS FORM caff .snd dns. NIST ID3"
_MAGIC = tuple(_KNOWN.split(b" "))
_UNREAD_MAGIC = {
    b"\x30\x26\xb2\x75": "WMA (ASF)",
    b"\x1aE\xdf\xa3": "WebM (Matroska)",
    b"#!AM": "AMR",
    b"MAC ": "Monkey's Audio",
    b"wvpk": "WavPack",
}
_WAY_OUT = "convert it to wav, flac, ogg, opus or mp3"
# libsndfile's log of WAV, AIFF and AU on the samples' bytes, of W64 and RF64 on the file's.
_SHORT = re.compile(r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
_UNKNOWN_SIZE = 0x7FFF0000  # what writes into a pipe announces this or more
_CUT_SECONDS = 0.1  # writers are off by a few bytes


def fault(path: str | os.PathLike[str]) -> str | None:
    """Why a file is not audio that is read here, by its first bytes (never by its name), before a decoder guesses.

    Raises:
        OSError: it cannot be opened.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a pipe waits for who writes into it
        return "not a regular file"
    with open(path, "rb") as file:
        head = file.read(4096)
    if not head:
        return "empty (0 bytes)"
    for magic, name in _UNREAD_MAGIC.items():
        if head.startswith(magic):
            return f"{name} is not read here: {_WAY_OUT}"
    if head[4:8] == b"ftyp":
        return f"MP4 (m4a, AAC) is not read here: {_WAY_OUT}"
    frame = head.lstrip(b"\0")[:3]
    synced = len(frame) == 3 and frame[0] == 0xFF and frame[1] & 0xE0 == 0xE0
    if synced and frame[1] & 0xF6 == 0xF0:
        return f"AAC is not read here: {_WAY_OUT}"
    is_mpeg = synced and frame[1] & 0x06 and frame[2] & 0xF0 != 0xF0 and frame[2] & 0x0C != 0x0C
    return None if is_mpeg or head.startswith(_MAGIC) else f"not audio (begins with {head[:8]!r})"


def announced_seconds(log: str, seconds: float) -> float | None:
    """Length that a header announces, where it is more than the `seconds` that the file holds: it was cut off.

    log: libsndfile's on opening it. None: as long as announced, or nothing known. Ogg announces nothing, MP3 often
    too much; FLAC is corrupt when cut.
    """
    found = _SHORT.search(log)
    if found is None:
        return None
    announced, there = (int(group) for group in found.groups())
    if announced >= _UNKNOWN_SIZE or there < 1:
        return None
    announced_seconds = seconds * announced / there
    return announced_seconds if announced_seconds > seconds + _CUT_SECONDS else None
