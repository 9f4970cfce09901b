"""Free Spoken Digit Dataset (Z. Jackson): {digit}_{speaker}_{index}.wav; a fold is a speaker."""

from __future__ import annotations

import re
from pathlib import Path

from tenuto.data.clips import Clip, ClipTable, make_table
from tenuto.data.formats import AUDIO_SUFFIXES
from tenuto.data.layouts.base import Layout, ignored, set_name
from tenuto.errors import UsageError

_NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[A-Za-z]+)_\d+\.wav")


def _is_fsdd(source: Path) -> bool:
    if not source.is_dir():
        return False
    sounds = [path for path in _folder(source).iterdir() if path.suffix.lower() in AUDIO_SUFFIXES]
    return bool(sounds) and all(_NAME.fullmatch(path.name) for path in sounds)


def _read_fsdd(source: Path) -> ClipTable:
    clips, n_others = [], 0
    folder = _folder(source)
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if match := _NAME.fullmatch(path.name):
            clips.append(Clip(path, (match["digit"],), fold=match["speaker"]))
        else:
            n_others += not path.name.startswith(".")
    if not clips:
        raise UsageError(f"{source}: no file in it is named like 7_jackson_32.wav (digit, speaker, index)")
    notes = ignored(n_others, "not FSDD clips")
    return make_table(clips, set_name(source), source, multi_label=False, notes=notes)


def _folder(source: Path) -> Path:
    return source / "recordings" if (source / "recordings").is_dir() else source


FSDD = Layout("fsdd", "FSDD's file names (7_jackson_32.wav)", _is_fsdd, _read_fsdd)
