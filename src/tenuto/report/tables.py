"""One result table in the four shapes people paste it: plain text, Markdown, CSV, LaTeX."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence

Cell = str | int | float | None
Row = Mapping[str, Cell]


def text_table(rows: Sequence[Row], columns: Sequence[str] | None = None) -> str:
    """Aligned columns for a terminal: numbers to the right, words to the left, a rule under the heads.

    rows -> text, no newline at its end. `columns` picks and orders; by default all, as they first appear.
    """
    heads, cells, right = _laid_out(rows, columns)
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    lines = [heads, ["-" * width for width in widths], *cells]
    return "\n".join(_padded(line, widths, right, "  ").rstrip() for line in lines)


def markdown_table(rows: Sequence[Row], columns: Sequence[str] | None = None) -> str:
    """A GitHub table; a bar within a cell is escaped."""
    heads, cells, right = _laid_out(rows, columns)
    heads, *cells = [[cell.replace("|", "\\|") for cell in line] for line in (heads, *cells)]
    widths = [max(3, *map(len, column)) for column in zip(heads, *cells, strict=True)]
    ends = [":" if is_right else "-" for is_right in right]
    rule = ["-" * (width - 1) + end for width, end in zip(widths, ends, strict=True)]
    return "\n".join(f"| {_padded(line, widths, right, ' | ')} |" for line in (heads, rule, *cells))


def csv_table(rows: Sequence[Row], columns: Sequence[str] | None = None) -> str:
    """Comma-separated, heads first, every digit of every number, an empty cell for nothing."""
    heads = list(columns) if columns is not None else _columns(rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(["" if row.get(head) is None else row[head] for head in heads] for row in rows)
    return out.getvalue()


def latex_table(rows: Sequence[Row], columns: Sequence[str] | None = None, caption: str | None = None) -> str:
    """A tabular with booktabs rules (\\usepackage{booktabs}), inside a table where there is a caption."""
    heads, cells, right = _laid_out(rows, columns)
    lines = [" & ".join(map(_latex_escaped, line)) + r" \\" for line in (heads, *cells)]
    alignment = "".join("r" if is_right else "l" for is_right in right)
    begin, end = rf"\begin{{tabular}}{{{alignment}}}", r"\end{tabular}"
    tabular = [begin, r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule", end]
    if caption is None:
        return "\n".join(tabular)
    head = [r"\begin{table}[t]", r"\centering", rf"\caption{{{_latex_escaped(caption)}}}"]
    return "\n".join([*head, *tabular, r"\end{table}"])


def mean_and_deviation(values: Sequence[float], n_digits: int = 1, scale: float = 1.0) -> str:
    """Mean ± sample standard deviation of `scale * values`; of one value no deviation, "-" for none."""
    scaled = [scale * value for value in values]
    if not scaled:
        return "-"
    mean = sum(scaled) / len(scaled)
    if len(scaled) == 1:
        return f"{mean:.{n_digits}f}"
    deviation = math.sqrt(sum((value - mean) ** 2 for value in scaled) / (len(scaled) - 1))
    return f"{mean:.{n_digits}f} ± {deviation:.{n_digits}f}"


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(key for row in rows for key in row))


Layout = tuple[list[str], list[list[str]], list[bool]]


def _laid_out(rows: Sequence[Row], columns: Sequence[str] | None) -> Layout:
    """-> heads, cells as text, and which columns hold numbers and so align to the right."""
    heads = list(columns) if columns is not None else _columns(rows)
    cells = [[_shown(row.get(head)) for head in heads] for row in rows]
    right = [all(_is_number(row.get(head)) for row in rows) and bool(rows) for head in heads]
    return heads, cells, right


def _shown(cell: Cell) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return "-"
    return f"{cell:.4g}" if isinstance(cell, float) else " ".join(str(cell).split())


def _is_number(cell: Cell) -> bool:
    """Numbers, and texts such as "93.4 ± 1.2" or "1.04 x"."""
    return not isinstance(cell, str) or cell.lstrip("- ")[:1].isdigit() or cell in {"-", ""}


def _padded(line: Sequence[str], widths: Sequence[int], right: Sequence[bool], between: str) -> str:
    aligned = [str.rjust if is_right else str.ljust for is_right in right]
    cells = zip(aligned, line, widths, strict=True)
    return between.join(align(cell, width) for align, cell, width in cells)


_LATEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
_LATEX |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "±": r"$\pm$"}


def _latex_escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
