"""What was measured as tables, pictures and plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenuto.files import write_json, write_text
from tenuto.inference.machine import machine_line
from tenuto.inference.timing import Spread
from tenuto.report.tables import Row, markdown_table, text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = Sequence[dict[str, Any]]

HOW = "Median of the rounds [smallest largest]; all candidates take turns in every round, in one process."


@dataclass(frozen=True)
class Section:
    """One of layers, frontends, throughput and pipeline: its rows, what they are of, and what to say of them."""

    name: str
    title: str
    rows: Rows
    note: str = ""


def as_text(sections: Sequence[Section], machine: dict[str, Any]) -> str:
    """For a terminal."""
    parts = [machine_line(machine), HOW]
    for section in sections:
        parts += [
            "",
            section.title,
            "",
            text_table(_shown(section.rows)),
            *(["", section.note] if section.note else []),
        ]
    return "\n".join(parts)


def as_value(sections: Sequence[Section], machine: dict[str, Any]) -> dict[str, Any]:
    """For JSON: spreads as {median, smallest, largest}."""
    value: dict[str, Any] = {"machine": machine}
    for section in sections:
        rows = [{key: _plain(cell) for key, cell in row.items()} for row in section.rows]
        value[section.name] = {
            "title": section.title,
            "rows": rows,
            **({"limit": section.note} if section.note else {}),
        }
    return value


def save_all(sections: Sequence[Section], machine: dict[str, Any], folder: Path) -> list[Path]:
    """Writes benchmark.json, benchmark.md and a picture a section; -> what was written."""
    from tenuto.report.plots import save

    pages = [f"{machine_line(machine)}\n\n{HOW}\n"]
    for section in sections:
        note = f"\n{section.note}\n" if section.note else ""
        pages.append(f"## {section.title}\n\n{markdown_table(_shown(section.rows))}\n{note}")
    write_json(folder / "benchmark.json", as_value(sections, machine))
    write_text(folder / "benchmark.md", "\n".join(["# Benchmark\n", *pages]))
    pictures = [save(draw(section), folder / f"{section.name}.png") for section in sections]
    return [folder / "benchmark.json", folder / "benchmark.md", *pictures]


def draw(section: Section) -> Figure:
    """The section's picture."""
    from tenuto.report import speed

    match section.name:
        case "throughput":
            return speed.throughput_over_fps(_points(section.rows, "front end", "frames a second", "audio s a second"))
        case "layers":
            kinds = {"forward": "forward, ms", "forward and backward": "both, ms"}
            return speed.time_over_frames({k: _points(section.rows, "layer", "frames", y) for k, y in kinds.items()})
        case "frontends":
            return speed.rates(_values(section.rows, "front end", "audio s a second"), "seconds of audio a second")
    return speed.rates(_values(section.rows, "stage", "clips a second"), "clips a second")


def _points(rows: Rows, name: str, x: str, y: str) -> dict[str, list[tuple[float, float, float, float]]]:
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    for row in rows:
        found.setdefault(row[name], []).append((float(row[x]), *_three(row[y])))
    return found


def _values(rows: Rows, name: str, value: str) -> dict[str, tuple[float, float, float]]:
    return {row[name]: _three(row[value]) for row in rows}


def _three(spread: Spread) -> tuple[float, float, float]:
    return spread.median, spread.smallest, spread.largest


def _shown(rows: Rows) -> list[Row]:
    return [{key: str(cell) if isinstance(cell, Spread) else cell for key, cell in row.items()} for row in rows]


def _plain(cell: Any) -> Any:
    return asdict(cell) if isinstance(cell, Spread) else cell
