"""UrbanSound8K (J. Salamon, C. Jacoby, J. P. Bello, 2014): metadata/UrbanSound8K.csv and audio/fold1 to fold10.

8,732 clips of at most 4 s, 10 classes. The ten folds are the publisher's, never reshuffled: clips cut from one
recording share a fold.
"""

from __future__ import annotations

from pathlib import Path

from tenuto.data.clips import Clip, ClipTable, make_table
from tenuto.data.layouts.base import Layout, missing, set_name
from tenuto.data.tables import read_rows

TABLE = Path("metadata", "UrbanSound8K.csv")


def _is_urbansound8k(source: Path) -> bool:
    return (source / TABLE).is_file()


def _read_urbansound8k(source: Path) -> ClipTable:
    rows = read_rows(source / TABLE, wanted=("slice_file_name", "fold", "class"))
    clips = [
        Clip(source / "audio" / f"fold{row['fold']}" / row["slice_file_name"], (row["class"],), row["fold"])
        for row in rows
    ]
    return make_table(clips, set_name(source), source, multi_label=False, notes=missing(clips, source))


URBANSOUND8K = Layout(
    "urbansound8k",
    "UrbanSound8K's layout (metadata/UrbanSound8K.csv and audio/fold1 to fold10)",
    _is_urbansound8k,
    _read_urbansound8k,
)
