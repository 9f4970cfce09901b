"""Result tables, to the letter."""

from __future__ import annotations

import csv
import io
import math

import pytest

from tenuto.report.tables import csv_table, latex_table, markdown_table, mean_and_deviation, text_table

ROWS = [
    {"method": "log-mel", "FPS": 100, "accuracy": "94.1 ± 0.4", "clips/s": 12.3456},
    {"method": "Diff|Res & co_1", "FPS": 25, "accuracy": "93.0", "clips/s": None},
]


def test_text_aligns_words_left_and_numbers_right() -> None:
    assert text_table(ROWS).splitlines() == [
        "method           FPS    accuracy  clips/s",
        "---------------  ---  ----------  -------",
        "log-mel          100  94.1 ± 0.4    12.35",
        "Diff|Res & co_1   25        93.0        -",
    ]


def test_markdown_escapes_bars_and_marks_numbers() -> None:
    assert markdown_table(ROWS, ["method", "FPS"]).splitlines() == [
        "| method           | FPS |",
        "| ---------------- | --: |",
        "| log-mel          | 100 |",
        "| Diff\\|Res & co_1 |  25 |",
    ]


def test_csv_keeps_every_digit_and_reads_back() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_table(ROWS))))
    assert rows[0] == {"method": "log-mel", "FPS": "100", "accuracy": "94.1 ± 0.4", "clips/s": "12.3456"}
    assert rows[1]["clips/s"] == ""


def test_latex_escapes_and_frames() -> None:
    text = latex_table(ROWS, ["method", "accuracy"], caption="100 % sure")
    assert text.splitlines() == [
        r"\begin{table}[t]",
        r"\centering",
        r"\caption{100 \% sure}",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"method & accuracy \\",
        r"\midrule",
        r"log-mel & 94.1 $\pm$ 0.4 \\",
        r"Diff|Res \& co\_1 & 93.0 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    assert latex_table(ROWS).startswith(r"\begin{tabular}{lrrr}")


def test_columns_are_those_that_first_appear() -> None:
    assert csv_table([{"a": 1}, {"b": 2, "a": 3}]) == "a,b\n1,\n3,2\n"


@pytest.mark.parametrize("table", [text_table, markdown_table, latex_table, csv_table])
def test_no_rows_are_a_table_of_heads(table: object) -> None:
    assert "accuracy" in table([], ["method", "accuracy"])  # type: ignore[operator]


def test_a_line_break_does_not_break_a_table() -> None:
    assert len(text_table([{"a": "one\ntwo"}]).splitlines()) == 3


@pytest.mark.parametrize(
    ("values", "scale", "shown"),
    [([0.9, 0.92, 0.94], 100, "92.0 ± 2.0"), ([0.5], 100, "50.0"), ([], 1, "-"), ([1.0, 1.0], 1, "1.0 ± 0.0")],
)
def test_mean_and_sample_deviation(values: list[float], scale: float, shown: str) -> None:
    assert mean_and_deviation(values, scale=scale) == shown


def test_not_a_number_is_shown_as_nothing() -> None:
    assert text_table([{"a": math.nan}]).splitlines()[-1] == "-"
