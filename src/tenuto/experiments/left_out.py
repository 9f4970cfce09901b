"""Which clips the trainings of a grid left out: kept with each result, and told under its table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tenuto.data.clips import ClipTable
from tenuto.experiments.grid import cell_of
from tenuto.files import read_json


def kept_left_out(run: Path, table: ClipTable) -> list[dict[str, str]]:
    """What a run folder's run.json says of clips left out, their paths as seen from the root of the data."""
    return [{**each, "path": table.shown(Path(each["path"]))} for each in read_json(run / "run.json")["left_out"]]


def told(data: str, left_out: Iterable[Mapping[str, str]]) -> list[str]:
    """A line a clip: data set, path, reason."""
    return [f"{data}: {each['path']}: {each['reason']}" for each in left_out]


def left_out_lines(records: Iterable[Mapping[str, Any]], checked: Iterable[str] = ()) -> list[str]:
    """What stored results and the checks of this call left out, each clip once; older results do not know it."""
    of_records = [line for record in records for line in told(cell_of(record).data, record.get("left_out", []))]
    return list(dict.fromkeys([*checked, *of_records]))
