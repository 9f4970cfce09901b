"""What a data set holds, as values and as a table to print: before the check (`summarize`) and with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tenuto.data.check import Report, fingerprint
from tenuto.data.clips import ClipTable, count_labels

_N_SHOWN = 20  # files left out that the text lists; the values list them all


def summarize(table: ClipTable, report: Report | None = None) -> dict[str, Any]:
    """Name, clips, classes, folds and notes of a table; with a report also lengths, rates and what is left out."""
    found: dict[str, Any] = {
        "name": table.name,
        "n_clips": len(table.clips),
        "multi_label": table.multi_label,
        "labels": table.n_per_label,
        "folds": {fold: sum(clip.fold == fold for clip in table.clips) for fold in table.folds},
        "splits": dict(Counter(clip.split for clip in table.clips if clip.split is not None)),
        "notes": list(table.notes),
    }
    return found | _checked(table, report) if report is not None else found


def _checked(table: ClipTable, report: Report) -> dict[str, Any]:
    facts = [report.facts[clip.path] for clip in report.good]
    seconds = sorted(fact.seconds for fact in facts)
    lengths = {"shortest": seconds[0], "median": seconds[len(seconds) // 2], "longest": seconds[-1]} if seconds else {}
    return {
        "n_usable": len(report.good),
        "usable_labels": count_labels(report.good, table.labels),
        "seconds": {"total": report.total_seconds, **lengths},
        "sample_rates": dict(Counter(fact.sample_rate for fact in facts).most_common()),
        "channels": dict(Counter(fact.n_channels for fact in facts).most_common()),
        "formats": dict(Counter(fact.format for fact in facts).most_common()),
        "left_out": [{"path": table.shown(path), "reason": reason} for path, reason in report.left_out],
        "left_out_per_reason": report.n_per_reason,
        "warnings": list(report.warnings),
        "fingerprint": fingerprint(table, report),
    }


def summary_text(summary: dict[str, Any]) -> str:
    """A summary for people: a line on all, a table of classes, what is left out and why, notes."""
    several = " (several labels a clip)" if summary["multi_label"] else ""
    lines = [f"{summary['name']}: {summary['n_clips']} clips, {len(summary['labels'])} classes{several}"]
    lines += [f"folds: {_counted(summary['folds'])}"] if summary["folds"] else []
    lines += [f"split: {_counted(summary['splits'])}"] if summary["splits"] else []
    lines += ["", *_classes(summary), ""]
    if "seconds" in summary:
        lines += _told_check(summary)
    lines += [f"note: {note}" for note in summary["notes"]]
    return "\n".join(lines).rstrip()


def _classes(summary: dict[str, Any]) -> list[str]:
    heads, columns = ["class", "clips"], [summary["labels"]]
    if "usable_labels" in summary:
        heads, columns = [*heads, "usable"], [*columns, summary["usable_labels"]]
    return aligned([heads, *([label, *(str(c[label]) for c in columns)] for label in summary["labels"])])


def _told_check(summary: dict[str, Any]) -> list[str]:
    seconds = summary["seconds"]
    lines = [f"{summary['n_usable']} of {summary['n_clips']} clips can be used, {_clock(seconds['total'])} together"]
    if "median" in seconds:
        spread = ", ".join(f"{name} {seconds[name]:.2f} s" for name in ("shortest", "median", "longest"))
        lines += [spread, f"sample rates in Hz: {_counted(summary['sample_rates'])}"]
        lines += [f"channels: {_counted(summary['channels'])}; formats: {_counted(summary['formats'])}"]
    left_out = summary["left_out"]
    if left_out:
        lines.append(f"left out: {len(left_out)} ({_counted(summary['left_out_per_reason'])})")
    lines += [f"  {entry['path']}: {entry['reason']}" for entry in left_out[:_N_SHOWN]]
    lines += [f"  and {len(left_out) - _N_SHOWN} more"] if len(left_out) > _N_SHOWN else []
    lines += [f"warning: {warning}" for warning in summary["warnings"]]
    return [*lines, f"fingerprint {summary['fingerprint']['sha256'][:16]}"]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines of a table: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _counted(counts: dict[Any, int]) -> str:
    pairs: Iterable[tuple[Any, int]] = counts.items()
    return ", ".join(f"{name} x {count}" for name, count in pairs)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min {rest:02d} s" if hours else f"{minutes} min {rest:02d} s"
