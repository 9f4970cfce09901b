"""Figure 10b: the score of each column of a grid over what its model computes, as a picture and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tenuto.experiments.compute import Flops, flops_a_second
from tenuto.experiments.grid import Column, cell_of
from tenuto.experiments.layout import Row
from tenuto.experiments.page import Page
from tenuto.experiments.protocols import protocol
from tenuto.experiments.results import Results
from tenuto.files import write_text
from tenuto.report.style import save
from tenuto.report.tables import csv_table
from tenuto.report.trade_off import Point, trade_off

SERIES = {"logmel": "log-mel", "changehop": "log-mel", "diffres": "log-mel + DiffRes"}
NOTES = [
    "Compute: floating-point operations of convolutions and matrix products from waveform to label, for a second of "
    "audio; relative: over those of the log-mel with a hop of 10 ms. In the picture a thin line leads from a point to "
    "the classifier's share alone, which is what the paper counts.",
]


def write_trade_off(results: Results, records: Sequence[Mapping[str, Any]], out: Path) -> Page:
    """Writes NAME_DATA_LENGTH.png and .svg for each data set and length, and NAME_compute.csv.

    A data set without the log-mel that compute is relative to is left out.

    Returns:
        title and rows of the table, files, notes
    """
    recipes = {cell_of(record).group: record["recipe"] for record in records}
    rows: list[Row] = []
    files: list[str] = []
    for data, length in dict.fromkeys((data, column.length) for data, column in recipes):
        own = {column: recipe for (d, column), recipe in recipes.items() if (d, column.length) == (data, length)}
        base = results.baseline(next(iter(own)))
        if base not in own:
            continue
        flops = {column: flops_a_second(recipe) for column, recipe in own.items()}
        ordered = sorted(own, key=lambda column: flops[column].total)
        points = {column: _point(results, data, column, flops) for column in ordered}
        rows += [_row(data, column, point, flops[column]) for column, point in points.items()]
        metric = results.groups[data, base].metric
        figure = trade_off(_series(points), f"{metric} (%)", f"{protocol(data).title}, {length} length")
        stem = out / f"{results.experiment.name}_{data}_{length}"
        files += [str(save(figure, stem.with_name(stem.name + suffix))) for suffix in (".png", ".svg")]
    if rows:
        name = out / f"{results.experiment.name}_compute.csv"
        write_text(name, csv_table(rows))
        files.append(str(name))
    return {"title": "scores over compute, from less to more", "rows": rows, "files": files, "notes": NOTES}


def hop_ms(column: Column) -> float:
    """Milliseconds from frame to frame of the spectrogram that a column's model computes."""
    return 1000 / column.fps if column.method == "changehop" else column.hop_ms


def _series(points: Mapping[Column, Point]) -> dict[str, list[Point]]:
    """Name of a method -> its points."""
    found: dict[str, list[Point]] = {}
    for column, point in points.items():
        found.setdefault(SERIES[column.method], []).append(point)
    return found


def _point(results: Results, data: str, column: Column, flops: Mapping[Column, Flops]) -> Point:
    found, base = results.spread(data, column), results.baseline(column)
    assert found is not None, f"{column} of {data} has records"
    name = f"{hop_ms(column):.3g} ms"
    if column.method == "diffres":
        name += f" → {column.fps:g} FPS"
    whole, own = flops[base].total, flops[column]
    deviation = 100 * (found.over_seeds or 0.0)
    return Point(own.total / whole, own.classifier / whole, 100 * found.mean, deviation, name, column == base)


def _row(data: str, column: Column, point: Point, flops: Flops) -> Row:
    return {
        "data": data,
        "length": column.length,
        "method": SERIES[column.method],
        "hop ms": f"{hop_ms(column):.3g}",
        "FPS": f"{column.fps:.4g}",
        "GFLOP a second of audio": float(f"{flops.total / 1e9:.4g}"),
        "of it the classifier": float(f"{flops.classifier / 1e9:.4g}"),
        "relative": round(point.compute, 3),
        "score %": round(point.score, 2),
        "sd over seeds": round(point.deviation, 2),
    }
