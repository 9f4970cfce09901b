"""The post's tables from made results, against numbers worked out by hand."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tenuto.experiments.fewshot_page import accuracy_rows, detail_rows, difference_rows, gather, notes, write_page
from tenuto.experiments.fewshot_settings import FewshotCell, FewshotSettings

SCORES = {  # (model, compression, n) -> (fold, repeat) -> score
    ("vgg", "log", 1): {("a", 0): 0.2, ("b", 0): 0.4, ("a", 1): 0.4, ("b", 1): 0.4},
    ("vgg", "log-learn", 1): {("a", 0): 0.1, ("b", 0): 0.4, ("a", 1): 0.2, ("b", 1): 0.3},
    ("vgg", "log", 5): {("a", 0): 0.5, ("b", 0): 0.7, ("a", 1): 0.6, ("b", 1): 0.8},
    ("vgg", "log-learn", 5): {("a", 0): 0.6, ("b", 0): 0.8, ("a", 1): 0.7},
    ("timbre", "log", 1): {("a", 0): 0.25},
}


def record(model: str, compression: str, n: int, fold: str, repeat: int, score: float) -> dict[str, Any]:
    learned = {"alpha": 1100.0 + 10 * repeat, "beta": 1.25} if compression == "log-learn" else {}
    return {
        "cell": asdict(FewshotCell("set", model, compression, n, fold, repeat)),
        "metric": "accuracy",
        "score": score,
        "epochs": 50 + 10 * repeat,
        "cell_seconds": 2.0,
        **learned,
        "recipe": asdict(FewshotSettings(epochs=60, converge=True)),
        "command": "tenuto fewshot .../set",
        "machine": {"processor": "abacus", "cores": 2},
        "versions": {"tenuto": "0"},
    }


RECORDS = [
    record(*group, fold, repeat, score) for group, scores in SCORES.items() for (fold, repeat), score in scores.items()
]
PLANNED = [FewshotCell("set", "vgg", "log-learn", 5, "b", 1), FewshotCell("set", "timbre", "log-learn", 1, "a", 0)]


def test_accuracy_is_the_mean_over_folds_and_its_spread_that_of_the_repeats() -> None:
    rows = {(row["Model"], row["Compression"]): row for row in accuracy_rows(gather(RECORDS, PLANNED), "set")}
    # repeats' means over folds: 0.3 and 0.4, so mean 35 and deviation 10 / sqrt(2)
    assert rows["VGG", "log-EPS"]["n=1"] == "35.0 ± 7.1"
    # 0.25 and 0.25
    assert rows["VGG", "log-learn"]["n=1"] == "25.0 ± 0.0"
    assert rows["VGG", "log-EPS"]["n=5"] == "65.0 ± 7.1"
    # folds' means 0.65 and 0.8; of the repeats only one has both folds
    assert rows["VGG", "log-learn"]["n=5"] == "72.5 [3 of 4]"
    assert rows["TIMBRE", "log-EPS"] == {"Model": "TIMBRE", "Compression": "log-EPS", "n=1": "25.0", "n=5": "not run"}
    assert rows["TIMBRE", "log-learn"]["n=1"] == "not run"


def test_one_is_singular() -> None:
    said = "\n".join(notes(gather(RECORDS[-1:], []), RECORDS[-1:]))
    assert "n=1: 1 draw x 1 fold (" in said


def test_differences_are_of_the_same_draws() -> None:
    (row,) = difference_rows(gather(RECORDS, PLANNED), "set")
    assert (row["Model"], row["Difference"]) == ("VGG", "log-learn - log-EPS")
    # n = 1: -0.1, 0, -0.2, -0.1; n = 5: +0.1 on each of the three draws that both have
    assert str(row["n=1"]).startswith("-10.0")
    assert row["n=5"] == "+10.0* (+10.0 to +10.0)"


def test_every_number_is_in_the_details() -> None:
    rows = {(row["model"], row["compression"], row["n"]): row for row in detail_rows(gather(RECORDS, PLANNED))}
    learned = rows["vgg", "log-learn", 1]
    assert (learned["accuracy %"], learned["sd over repeats"], learned["sd over folds"]) == (25.0, 0.0, 14.14)
    assert (learned["minus log-EPS"], learned["better in"], learned["cells"]) == (-10.0, "0 of 4", "4 of 4")
    assert (learned["alpha (middle)"], learned["beta (middle)"], learned["epochs (middle)"]) == (1105.0, 1.25, 55.0)
    assert rows["vgg", "log", 1]["minus log-EPS"] is None
    assert rows["vgg", "log", 1]["alpha (middle)"] is None
    assert rows["timbre", "log-learn", 1]["accuracy %"] is None


def test_the_page_comes_in_four_forms_and_a_picture(tmp_path: Path) -> None:
    page = write_page(RECORDS, PLANNED, {"set.x": "ValueError: no"}, tmp_path, ["set: b.wav: silent"])
    names = {"fewshot.txt", "fewshot.md", "fewshot.tex", "fewshot.csv", "fewshot_set.png"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert {Path(path).name for path in page["files"]} == names
    text = (tmp_path / "fewshot.txt").read_text()
    assert text == page["text"] + "\n"
    for told in (
        "set: accuracy over n clips a class",
        "set: difference to log-EPS, in points",
        "as many epochs as it takes, at most 60",
        "n=1: 2 draws x 2 folds; n=5: 2 draws x 2 folds (the post: 20 draws a fold",
        "Machine: processor abacus, cores 2.",
        "Left out: set: b.wav: silent",
        "FAILED: set.x: ValueError: no",
    ):
        assert told in text
        assert told in (tmp_path / "fewshot.md").read_text()
    assert "![set](fewshot_set.png)" in (tmp_path / "fewshot.md").read_text()
    latex = (tmp_path / "fewshot.tex").read_text()
    assert latex.count(r"\begin{table}") == 2
    assert r"35.0 $\pm$ 7.1" in latex
    rows = list(csv.DictReader(io.StringIO((tmp_path / "fewshot.csv").read_text())))
    assert [row["accuracy %"] for row in rows] == ["35.0", "65.0", "25.0", "72.5", "25.0", ""]
    assert page["failed"] == {"set.x": "ValueError: no"}


def test_two_data_sets_have_four_tables(tmp_path: Path) -> None:
    other = [{**each, "cell": {**each["cell"], "data": "other"}} for each in RECORDS]
    page = write_page([*RECORDS, *other], [], {}, tmp_path)
    assert list(page["tables"]) == [
        *("other: accuracy over n clips a class", "other: difference to log-EPS, in points"),
        *("set: accuracy over n clips a class", "set: difference to log-EPS, in points"),
    ]
    assert (tmp_path / "fewshot_other.png").exists()


def test_one_compression_alone_has_no_differences() -> None:
    groups = gather([each for each in RECORDS if each["cell"]["compression"] == "log-learn"])
    assert difference_rows(groups, "set") == []
    assert len(accuracy_rows(groups, "set")) == 1


@pytest.mark.parametrize("key", ["model", "compression"])
def test_every_name_has_a_title(key: str) -> None:
    from tenuto.experiments.fewshot_page import HEADS
    from tenuto.experiments.fewshot_settings import COMPRESSIONS, MODELS

    names = MODELS if key == "model" else COMPRESSIONS
    assert set(names) <= set(HEADS)
