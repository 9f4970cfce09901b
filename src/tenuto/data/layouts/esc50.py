"""ESC-50 (K. J. Piczak, 2015): meta/esc50.csv and audio/{fold}-{source}-{take}-{target}.wav; 50 classes, 5 folds.

ESC-10 is its part of ten classes, whose clips are free to use with attribution.
"""

from __future__ import annotations

from pathlib import Path

from tenuto.data.clips import Clip, ClipTable, make_table
from tenuto.data.layouts.base import Layout, missing, set_name
from tenuto.data.tables import read_rows


def _is_esc50(source: Path) -> bool:
    return (source / "meta" / "esc50.csv").is_file()


def _read_esc50(source: Path, only_esc10: bool = False) -> ClipTable:
    table = source / "meta" / "esc50.csv"
    rows = read_rows(table, wanted=("filename", "fold", "category") + (("esc10",) if only_esc10 else ()))
    clips = [
        Clip(source / "audio" / row["filename"], (row["category"],), row["fold"])
        for row in rows
        if not only_esc10 or row["esc10"] == "True"
    ]
    return make_table(clips, set_name(source), source, multi_label=False, notes=missing(clips, source))


ESC50 = Layout("esc50", "ESC-50's layout (meta/esc50.csv and audio/)", _is_esc50, _read_esc50)
ESC10 = Layout("esc10", "ESC-50's layout, its ten-class part only", None, lambda source: _read_esc50(source, True))
