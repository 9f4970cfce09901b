"""Where the numbers of the claims come from: folders of results with seeds, time, machines and command lines."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tenuto.experiments.claims_evidence import Stored
from tenuto.experiments.grid import duration
from tenuto.experiments.layout import Row
from tenuto.experiments.page_notes import circumstance_lines, scale_lines
from tenuto.experiments.protocols import protocol
from tenuto.experiments.table1 import TABLE1
from tenuto.report.tables import markdown_table

COMMAND = "Command: "


def stores_part(stores: Sequence[Stored], root: Path, page: Path) -> str:
    """The section on what was run: a table of all folders, then each one's settings, machine and commands."""
    table = markdown_table([_row(store, root, page) for store in stores])
    each = [_store_part(store, root, page) for store in stores]
    return "\n\n".join(["## What was run", table, *each])


def _row(store: Stored, root: Path, page: Path) -> Row:
    cells = [record.get("cell", {}) for record in store.records]
    data = dict.fromkeys(str(cell["data"]) for cell in cells if "data" in cell)
    return {
        "folder": link(store.folder, page, _name(store, root)),
        "data": ", ".join(protocol(name).title for name in data),
        "trainings": str(len(cells)),
        "failed": str(len(list((store.folder / "failed").glob("*.json")))),
        "folds": _listed(cell.get("fold") for cell in cells),
        "seeds or draws": _listed(cell.get("seed", cell.get("repeat")) for cell in cells),
        "training time": duration(sum(record.get("cell_seconds", 0.0) for record in store.records)),
    }


def _listed(values: Any) -> str:
    found = sorted({value for value in values if value is not None})
    return ", ".join(str(value) for value in found)


def _store_part(store: Stored, root: Path, page: Path) -> str:
    """What stands behind a folder's numbers."""
    settings = scale_lines(TABLE1, store.records) if store.kind == "table" else []
    lines = circumstance_lines([record for record in store.records if _is_told(record)])
    commands = [line.removeprefix(COMMAND) for line in lines if line.startswith(COMMAND)]
    told = [line for line in lines if not line.startswith(COMMAND)]
    tables = [link(path, page) for path in sorted(store.folder.glob("*.md"))]
    told += [f"Tables: {', '.join(tables)}."] if tables else []
    listed = "\n".join(f"- {line}" for line in [*settings, *told])
    shown = "```text\n" + "\n".join(commands) + "\n```"
    return "\n\n".join([f"### {_name(store, root)}", listed, *([shown] if commands else [])])


def _is_told(record: Mapping[str, Any]) -> bool:
    return {"machine", "versions", "command"} <= record.keys()


def _name(store: Stored, root: Path) -> str:
    """The folder as seen from the root of all results."""
    return root.name if store.folder == root else store.folder.relative_to(root).as_posix()


def link(path: Path, page: Path, name: str | None = None) -> str:
    """A link from the page to a file or folder of the results."""
    relative = os.path.relpath(path.resolve(), page.resolve().parent)
    return f"[{name or path.name}]({Path(relative).as_posix()})"
