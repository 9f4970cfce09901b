"""The post's tables, accuracy over n and learned minus fixed, of whatever few-data results there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

from tenuto.experiments.fewshot_settings import COMPRESSIONS, MODELS, FewshotCell, FewshotSettings
from tenuto.experiments.page_notes import circumstance_lines
from tenuto.experiments.statistics import Difference, bootstrap, paired, spread
from tenuto.files import write_text
from tenuto.report.tables import csv_table, latex_table, markdown_table, text_table
from tenuto.report.words import counted

Row = dict[str, str | int | float | None]
HEADS = {
    "sbcnn": "SB-CNN",
    "vgg": "VGG",
    "vgg128": "VGG, 128 filters",
    "timbre": "TIMBRE",
    "prototypes": "Prototypical networks",
    "prototypes128": "Prototypical networks, 128 filters",
    "log": "log-EPS",
    "log10000": "log(10000 x + 1)",
    "log-learn": "log-learn",
    "layernorm": "layer norm",
    "pcen": "PCEN",
}
NOT_RUN = "not run"
BASELINE = "log"


class Group:
    """All results of one data set, model, compression and n: they differ in fold and repeat."""

    def __init__(self) -> None:
        self.scores: dict[tuple[str, int], float] = {}  # (fold, repeat) -> 0 to 1
        self.records: list[Mapping[str, Any]] = []
        self.n_planned = 0

    def median_of(self, key: str) -> float | None:
        """The middle of a number that records may hold."""
        found = [record[key] for record in self.records if key in record]
        return median(found) if found else None


Key = tuple[str, str, str, int]  # data, model, compression, n
Groups = dict[Key, Group]


def gather(records: Iterable[Mapping[str, Any]], planned: Iterable[FewshotCell] = ()) -> Groups:
    """Results by group, in the order of the tables; groups of planned cells are there even if none was run."""
    groups: Groups = {}
    found = [(FewshotCell(**record["cell"]), record) for record in records]
    for cell in {*planned, *(cell for cell, _ in found)}:
        groups.setdefault(_key(cell), Group()).n_planned += 1
    for cell, record in found:
        group = groups[_key(cell)]
        group.scores[cell.fold, cell.repeat] = record["score"]
        group.records.append(record)
    return dict(sorted(groups.items(), key=lambda item: _position(item[0])))


def accuracy_rows(groups: Groups, data: str) -> list[Row]:
    """The post's Tables 1 and 3: a row a model and compression, "mean ± deviation over repeats" in percent by n."""
    rows: list[Row] = []
    for model, compression in dict.fromkeys((key[1], key[2]) for key in groups if key[0] == data):
        row: Row = {"Model": HEADS[model], "Compression": HEADS[compression]}
        for n in sizes_of(groups, data):
            row[f"n={n}"] = _entry(groups.get((data, model, compression, n)))
        rows.append(row)
    return rows


def difference_rows(groups: Groups, data: str) -> list[Row]:
    """The post's Tables 2 and 4: points gained over log-EPS on the same draws, with the 95 % interval, by n."""
    rows: list[Row] = []
    for model, compression in dict.fromkeys((key[1], key[2]) for key in groups if key[0] == data):
        if compression == BASELINE:
            continue
        row: Row = {"Model": HEADS[model], "Difference": f"{HEADS[compression]} - {HEADS[BASELINE]}"}
        for n in sizes_of(groups, data):
            found = difference(groups, (data, model, compression, n))
            row[f"n={n}"] = NOT_RUN if found is None else _told(found)
        if any(row[f"n={n}"] != NOT_RUN for n in sizes_of(groups, data)):
            rows.append(row)
    return rows


def difference(groups: Groups, key: Key) -> Difference | None:
    """A compression minus log-EPS, paired by draw; None without a pair."""
    data, model, _, n = key
    one, base = groups.get(key), groups.get((data, model, BASELINE, n))
    return None if one is None or base is None else bootstrap(paired(one.scores, base.scores))


def detail_rows(groups: Groups) -> list[Row]:
    """A row a group with every number."""
    rows: list[Row] = []
    for (data, model, compression, n), group in groups.items():
        found = spread(group.scores) if group.scores else None
        gained = None if compression == BASELINE else difference(groups, (data, model, compression, n))
        rows.append(
            {
                "data": data,
                "model": model,
                "compression": compression,
                "n": n,
                "accuracy %": None if found is None else round(100 * found.mean, 2),
                "sd over repeats": None if found is None else _percent(found.over_seeds),
                "sd over folds": None if found is None else _percent(found.over_folds),
                "cells": f"{len(group.scores)} of {group.n_planned}",
                "minus log-EPS": None if gained is None else _percent(gained.mean),
                "low": None if gained is None else _percent(gained.low),
                "high": None if gained is None else _percent(gained.high),
                "better in": None if gained is None else f"{gained.n_above} of {gained.n_pairs}",
                "epochs (middle)": group.median_of("epochs"),
                "alpha (middle)": group.median_of("alpha"),
                "beta (middle)": group.median_of("beta"),
                "seconds a training": round(fmean(r["cell_seconds"] for r in group.records), 1) if found else None,
            }
        )
    return rows


def sizes_of(groups: Groups, data: str) -> list[int]:
    """The n of a data set, rising."""
    return sorted({key[3] for key in groups if key[0] == data})


def data_of(groups: Groups) -> list[str]:
    """The data sets in order."""
    return list(dict.fromkeys(key[0] for key in groups))


def notes(groups: Groups, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader must know: what the numbers are, what was scaled down from the post, and on what machine."""
    lines = [
        "Percent, mean over folds and draws ± standard deviation over draws (of their means over folds).",
        "Differences in points: both compressions on the same draws, first weights and patches; in brackets the 95 % "
        "interval, bootstrap over folds and draws (too narrow rather than too wide with few of them); * leaves out 0.",
        "log-EPS is log(x + 1.19e-7); log-learn is log(alpha x + beta) from alpha 1096.63, beta 1.31, both learned.",
    ]
    for data in data_of(groups):
        settings = [FewshotSettings(**record["recipe"]) for record in records if record["cell"]["data"] == data]
        lines += dict.fromkeys(f"{data}: {each.told()}." for each in settings)
        lines.append(f"{data}: {_draws_line(groups, data)}")
    return lines + circumstance_lines(records)


def _draws_line(groups: Groups, data: str) -> str:
    counts = []
    for n in sizes_of(groups, data):
        most = max((group.scores for key, group in groups.items() if (key[0], key[3]) == (data, n)), key=len)
        repeats, folds = {repeat for _, repeat in most}, {fold for fold, _ in most}
        counts.append(f"n={n}: {counted(len(repeats), 'draw')} x {counted(len(folds), 'fold')}")
    return "; ".join(counts) + " (the post: 20 draws a fold for n 1 and 2, 10 for 5 and 10, 5 above)."


def write_page(
    records: Sequence[Mapping[str, Any]],
    planned: Sequence[FewshotCell],
    failed: Mapping[str, str],
    out: Path,
    left_out: Sequence[str] = (),
) -> dict[str, Any]:
    """Writes fewshot.txt, .md, .tex, .csv and a picture a data set, and returns the tables as values.

    left_out: a line for each clip that cannot be used.
    """
    groups = gather(records, planned)
    tables: dict[str, list[Row]] = {}
    for data in data_of(groups):
        tables[f"{data}: accuracy over n clips a class"] = accuracy_rows(groups, data)
        tables[f"{data}: difference to log-EPS, in points"] = difference_rows(groups, data)
    tables = {title: rows for title, rows in tables.items() if rows}
    lines = notes(groups, records) + [f"Left out: {line}" for line in left_out]
    lines += [f"FAILED: {name}: {reason}" for name, reason in failed.items()]
    pictures = _write_pictures(groups, out)
    text = "\n\n".join([f"{title}\n\n{text_table(rows)}" for title, rows in tables.items()] + ["\n".join(lines)])
    markdown = [f"## {title}\n\n{markdown_table(rows)}" for title, rows in tables.items()]
    markdown += [f"![{data}]({path.name})" for data, path in pictures.items()]
    markdown.append("\n".join(f"- {line}" for line in lines))
    files = {
        "fewshot.txt": text + "\n",
        "fewshot.md": "# Training with few clips\n\n" + "\n\n".join(markdown) + "\n",
        "fewshot.tex": "\n\n".join(latex_table(rows, caption=f"{title}.") for title, rows in tables.items()) + "\n",
        "fewshot.csv": csv_table(detail_rows(groups)),
    }
    for name, content in files.items():
        write_text(out / name, content)
    return {
        "text": text,
        "rows": detail_rows(groups),
        "tables": tables,
        "notes": lines,
        "failed": dict(failed),
        "left_out": list(left_out),
        "files": [str(out / name) for name in files] + [str(path) for path in pictures.values()],
    }


def _write_pictures(groups: Groups, out: Path) -> dict[str, Path]:
    """Accuracy over n with its spread, a picture a data set: data -> file."""
    from tenuto.report.few_data import accuracy_over_n
    from tenuto.report.style import save

    pictures = {}
    for data in data_of(groups):
        panels: dict[str, dict[str, list[tuple[int, float, float]]]] = {}
        for (_, model, compression, n), group in ((key, g) for key, g in groups.items() if key[0] == data and g.scores):
            found = spread(group.scores)
            lines = panels.setdefault(HEADS[model], {})
            lines.setdefault(HEADS[compression], []).append((n, 100 * found.mean, 100 * (found.over_seeds or 0.0)))
        if panels:
            pictures[data] = save(accuracy_over_n(panels, title=data), out / f"fewshot_{data}.png")
    return pictures


def _key(cell: FewshotCell) -> Key:
    return cell.data, cell.model, cell.compression, cell.n


def _position(key: Key) -> tuple[str, int, int, int]:
    data, model, compression, n = key
    return data, MODELS.index(model), COMPRESSIONS.index(compression), n


def _entry(group: Group | None) -> str:
    if group is None or not group.scores:
        return NOT_RUN
    found = spread(group.scores)
    deviation = "" if found.over_seeds is None else f" ± {100 * found.over_seeds:.1f}"
    part = "" if len(group.scores) == group.n_planned else f" [{len(group.scores)} of {group.n_planned}]"
    return f"{100 * found.mean:.1f}{deviation}{part}"


def _told(found: Difference) -> str:
    if found.low is None or found.high is None:
        return f"{100 * found.mean:+.1f}"
    mark = "*" if found.certain else ""
    return f"{100 * found.mean:+.1f}{mark} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 2)
