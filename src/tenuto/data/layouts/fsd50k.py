"""FSD50K (E. Fonseca and others, 2020): FSD50K.dev_audio, FSD50K.eval_audio, FSD50K.ground_truth of three tables.

51,197 clips of 0.3 to 30 s, 200 classes, several a clip. The development set's own column says which clips train and
which validate; the evaluation set is the test.
"""

from __future__ import annotations

from pathlib import Path

from tenuto.data.clips import Clip, ClipTable
from tenuto.data.layouts.base import Layout, lines_of, missing, set_name
from tenuto.data.tables import part_of, read_rows
from tenuto.errors import UsageError

TABLES = Path("FSD50K.ground_truth")


def _is_fsd50k(source: Path) -> bool:
    return (source / TABLES / "dev.csv").is_file()


def _read_fsd50k(source: Path) -> ClipTable:
    classes = _vocabulary(source / TABLES / "vocabulary.csv")
    clips = [*_clips(source, "dev", classes), *_clips(source, "eval", classes)]
    return ClipTable(tuple(clips), classes, True, set_name(source), source, missing(clips, source))


def _vocabulary(table: Path) -> tuple[str, ...]:
    """The classes in their order; a row is index, name, machine identifier, without a first line of names."""
    rows = [line.split(",") for line in lines_of(table)]
    classes = tuple(cells[1] for cells in rows if len(cells) == 3)
    if not classes or len(classes) < len(rows) or len(set(classes)) < len(classes):
        raise UsageError(f"{table}: wanted a row of index, class, identifier for each class, each class once")
    return classes


def _clips(source: Path, part: str, classes: tuple[str, ...]) -> list[Clip]:
    table = source / TABLES / f"{part}.csv"
    columns = ("fname", "labels", "split") if part == "dev" else ("fname", "labels")
    clips = []
    for row in read_rows(table, wanted=columns):
        labels = tuple(dict.fromkeys(row["labels"].split(",")))
        if unknown := set(labels).difference(classes):
            raise UsageError(f"{table}: {row['fname']} has the label {min(unknown)!r}, which vocabulary.csv has not")
        split = part_of(row["split"]) if part == "dev" else "test"
        if split is None or (part == "dev" and split == "test"):
            raise UsageError(f"{table}: {row['fname']} has the split {row['split']!r}; wanted train or val")
        clips.append(Clip(source / f"FSD50K.{part}_audio" / f"{row['fname']}.wav", labels, split=split))
    return clips


FSD50K = Layout(
    "fsd50k",
    "FSD50K's layout (FSD50K.dev_audio/, FSD50K.eval_audio/ and FSD50K.ground_truth/)",
    _is_fsd50k,
    _read_fsd50k,
)
