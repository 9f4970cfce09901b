"""Reading tables of clips: CSV or TSV, with one line for whatever is wrong with them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from tenuto.data.clips import Clip, ClipTable, make_table
from tenuto.errors import UsageError

_PATH_COLUMNS = ("path", "file", "filename")
_LABEL_COLUMNS = ("label", "labels", "category", "class")
_PARTS = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "dev": "valid",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}


def part_of(name: str) -> str | None:
    """train, valid or test, as people call them; None for another word."""
    return _PARTS.get(name.strip().lower())


def read_clip_csv(table: Path) -> ClipTable:
    """Clips of a CSV with the columns path and label, and if they are there fold and split.

    Paths are relative to the CSV. Several labels are joined by ';', and where that occurs an empty cell is a clip
    of no label. A row that stands there twice, word for word, is taken once, with a note.

    Raises:
        UsageError: not a CSV, a column missing, an empty cell, the same file in two different rows.
    """
    rows = read_rows(table, wanted=("path", "label"), names={"path": _PATH_COLUMNS, "label": _LABEL_COLUMNS})
    multi_label = any(";" in row["label"] for row in rows)
    clips: dict[Clip, int] = {}
    n_repeated = 0
    for number, row in enumerate(rows, start=2):
        clip = _clip(table, number, row, multi_label)
        n_repeated += clip in clips
        clips.setdefault(clip, number)
    notes = [f"{n_repeated} repeated rows of {table.name} taken once"] if n_repeated else []
    name = table.parent.resolve().name if table.name == "clips.csv" else table.stem
    return make_table(clips, name, table.parent, multi_label=multi_label, notes=notes)


def read_rows(
    table: Path, wanted: Sequence[str], names: dict[str, Sequence[str]] | None = None
) -> list[dict[str, str]]:
    """Rows of a CSV or TSV as dicts, cells stripped, column names in lower case and, where `names` lists
    alternatives for a wanted column, under the wanted name.

    Raises:
        UsageError: unreadable, a wanted column missing (names those there and those wanted), a row that is ragged or
            holds a NUL character.
    """
    found = list(_lines(table))
    if not found:
        raise UsageError(f"{table}: empty; wanted a first line with the columns {', '.join(wanted)}")
    there = [name.strip().lower() for name in found[0]]
    header = list(there)
    for column in wanted:
        candidates = (names or {}).get(column, (column,))
        present = [name for name in candidates if name in there]
        if not present:
            raise UsageError(
                f"{table}: no column {' or '.join(candidates)}; it has {', '.join(there)}; "
                f"wanted {', '.join(wanted)} (optional: fold, split)"
            )
        header[there.index(present[0])] = column
    for number, cells in enumerate(found[1:], start=2):
        _check_cells(table, number, cells, len(header))
    return [dict(zip(header, (cell.strip() for cell in cells), strict=True)) for cells in found[1:]]


def _check_cells(table: Path, number: int, cells: Sequence[str], n_columns: int) -> None:
    if len(cells) != n_columns:
        raise UsageError(f"{table}, row {number}: {len(cells)} cells for {n_columns} columns")
    if any("\0" in cell for cell in cells):
        raise UsageError(f"{table}, row {number}: a NUL character in it, which no path can hold: take it out")


def _lines(table: Path) -> Iterator[list[str]]:
    delimiter = "\t" if table.suffix.lower() == ".tsv" else ","
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            yield from (cells for cells in csv.reader(file, delimiter=delimiter) if any(cells))
    except UnicodeDecodeError:
        raise UsageError(f"{table}: not UTF-8 text; save it as CSV in UTF-8") from None
    except (OSError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{table}: cannot be read as CSV ({reason})") from None


def _clip(table: Path, number: int, row: dict[str, str], multi_label: bool) -> Clip:
    if not row["path"]:
        raise UsageError(f"{table}, row {number}: empty path")
    labels = dict.fromkeys(label.strip() for label in row["label"].split(";") if label.strip())
    if not labels and not multi_label:
        raise UsageError(f"{table}, row {number}: empty label for {row['path']}")
    split = row.get("split") or None
    if split is not None and part_of(split) is None:
        raise UsageError(f"{table}, row {number}: split {split!r}; wanted train, valid or test")
    part = part_of(split) if split is not None else None
    return Clip(table.parent / row["path"], tuple(labels), row.get("fold") or None, part)
