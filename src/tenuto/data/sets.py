"""From a folder or a CSV to a clip table. A layout is a row of `LAYOUTS`: how to recognise and how to read it."""

from __future__ import annotations

import os
from pathlib import Path

from tenuto.data.clips import ClipTable
from tenuto.data.layouts.audioset import AUDIOSET
from tenuto.data.layouts.base import WANTED, Layout
from tenuto.data.layouts.esc50 import ESC10, ESC50
from tenuto.data.layouts.fsd50k import FSD50K
from tenuto.data.layouts.fsdd import FSDD
from tenuto.data.layouts.nsynth import NSYNTH, NSYNTH_PAPER
from tenuto.data.layouts.plain import CSV, FOLDERS
from tenuto.data.layouts.speechcommands import SPEECHCOMMANDS
from tenuto.data.layouts.tut2017 import TUT2017, TUT2017_FOLDS
from tenuto.data.layouts.urbansound8k import URBANSOUND8K
from tenuto.errors import UsageError

LAYOUTS: tuple[Layout, ...] = (
    AUDIOSET,
    FSD50K,
    ESC50,
    ESC10,
    SPEECHCOMMANDS,
    NSYNTH,
    NSYNTH_PAPER,
    URBANSOUND8K,
    TUT2017,
    TUT2017_FOLDS,
    CSV,
    FSDD,
    FOLDERS,
)
"""In the order they are tried in: what is published first, what fits anything last."""


def find_clips(source: str | os.PathLike[str], layout: str = "auto") -> ClipTable:
    """The clips of a data set: one in its published layout, a CSV, or a folder of class folders.

    Args:
        source: a folder or a CSV file. A folder with a `clips.csv` is read by it.
        layout: a name of `LAYOUTS`, or "auto": the first that recognises the source.

    Raises:
        UsageError: no such source, an unknown layout, nothing recognised, or a table that contradicts itself.
    """
    path = Path(source)
    if not path.exists():
        raise UsageError(f"{path}: no such folder or file; {WANTED}")
    if layout not in ("auto", *(row.name for row in LAYOUTS)):
        names = ", ".join(row.name for row in LAYOUTS)
        raise UsageError(f"no data layout {layout!r}: wanted auto, {names}")
    for row in LAYOUTS:
        if row.name == layout or (layout == "auto" and row.recognises and row.recognises(path)):
            return row.read(path)
    raise UsageError(f"{path}: no data set recognised in it; {WANTED}")
