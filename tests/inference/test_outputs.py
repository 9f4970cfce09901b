"""What is written reads back, in the columns that other programs expect."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tenuto.errors import UsageError
from tenuto.inference.outputs import as_dict, as_table, save_audacity, save_csv, save_raven, write_csv
from tenuto.inference.predictions import FilePredictions, LeftOut, Predictions

SCORES = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], np.float32)


@pytest.fixture
def predictions(tmp_path: Path) -> Predictions:
    """Two files of two windows each, and one left out; one name has a comma, one label a space."""
    starts, ends = np.array([0.0, 2.5]), np.array([2.5, 4.25])
    files = [tmp_path / "night" / "owl, far.wav", tmp_path / "night" / "deep" / "b.wav"]
    return Predictions(
        labels=("owl", "sea waves", "rain"),
        files=[FilePredictions(str(file), starts, ends, SCORES, 4.3) for file in files],
        left_out=[LeftOut("bad.wav", "no samples in it")],
        window_seconds=2.5,
        hop_seconds=2.5,
        f_min_hz=50.0,
        f_max_hz=8000.0,
    )


def test_rows_come_by_file_time_and_score(predictions: Predictions) -> None:
    rows = list(predictions.rows())
    assert [row.label for row in rows[:6]] == ["owl", "sea waves", "rain", "rain", "sea waves", "owl"]
    assert len(rows) == 12
    assert rows[0][1:3] == (0.0, 2.5)
    assert [row.label for row in predictions.rows(top_k=1)] == ["owl", "rain"] * 2
    assert [round(row.score, 1) for row in predictions.rows(threshold=0.3)] == [0.7, 0.6, 0.3] * 2


@pytest.mark.parametrize("options", [{"top_k": 0}, {"threshold": 1.5}, {"threshold": -0.1}])
def test_choices_that_make_no_sense_are_refused(predictions: Predictions, options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="wanted"):
        list(predictions.rows(**options))  # type: ignore[arg-type]


def test_csv_reads_back(predictions: Predictions, tmp_path: Path) -> None:
    with save_csv(predictions, tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "start", "end", "label", "score"]
    assert len(rows) == 12
    assert rows[0]["file"].endswith("owl, far.wav")
    assert (rows[5]["start"], rows[5]["end"], rows[5]["label"], rows[5]["score"]) == ("2.5", "4.25", "owl", "0.100000")


def test_wide_csv_has_a_column_a_class(predictions: Predictions) -> None:
    stream = io.StringIO()
    write_csv(predictions, stream, wide=True)
    rows = list(csv.DictReader(io.StringIO(stream.getvalue())))
    assert list(rows[0]) == ["file", "start", "end", "owl", "sea waves", "rain"]
    np.testing.assert_allclose([[float(r[k]) for k in predictions.labels] for r in rows], np.tile(SCORES, (2, 1)))


def test_json_is_one_object_with_all_of_it(predictions: Predictions) -> None:
    value = json.loads(json.dumps(as_dict(predictions, top_k=2)))
    assert value["labels"] == ["owl", "sea waves", "rain"]
    assert (value["n_files"], value["n_windows"], value["window_seconds"]) == (2, 4, 2.5)
    assert value["left_out"] == [{"file": "bad.wav", "reason": "no samples in it"}]
    assert [len(window["scores"]) for window in value["predictions"]] == [2] * 4
    assert value["predictions"][1]["scores"][0]["label"] == "rain"
    assert value["predictions"][1]["scores"][0]["score"] == pytest.approx(0.6)


def test_json_keeps_windows_without_a_label_above_the_threshold(predictions: Predictions) -> None:
    value = as_dict(predictions, threshold=0.65)
    assert [len(window["scores"]) for window in value["predictions"]] == [1, 0, 1, 0]


def test_audacity_labels_are_its_three_columns(predictions: Predictions, tmp_path: Path) -> None:
    paths = save_audacity(predictions, tmp_path / "labels")
    assert [str(path.relative_to(tmp_path / "labels")) for path in paths] == ["owl, far.wav.txt", "deep/b.wav.txt"]
    assert paths[0].read_text() == "0.000000\t2.500000\towl 0.70\n2.500000\t4.250000\train 0.60\n"


def test_raven_has_a_line_a_selection_whatever_a_file_is_called(predictions: Predictions, tmp_path: Path) -> None:
    files = [replace(predictions.files[0], file='/night/a\nb\tc "d" \\e.wav'), predictions.files[1]]
    written = save_raven(replace(predictions, files=files), tmp_path / "raven.txt").read_text().splitlines()
    assert [len(line.split("\t")) for line in written] == [11] * 5
    assert written[1].split("\t")[9] == '/night/a b c "d" \\e.wav'  # Raven knows no quotes and no escapes


def test_raven_counts_time_through_the_files(predictions: Predictions, tmp_path: Path) -> None:
    with save_raven(predictions, tmp_path / "raven.txt").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["Selection"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["Begin Time (s)"] for row in rows] == ["0", "2.5", "4.3", "6.8"]  # files of 4.3 s
    assert [row["End Time (s)"] for row in rows] == ["2.5", "4.25", "6.8", "8.55"]
    assert [row["File Offset (s)"] for row in rows] == ["0", "2.5", "0", "2.5"]
    assert {(row["Low Freq (Hz)"], row["High Freq (Hz)"]) for row in rows} == {("50", "8000")}
    assert [row["Label"] for row in rows] == ["owl", "rain"] * 2
    assert rows[0]["Begin Path"].endswith("owl, far.wav")


def test_table_is_for_reading(predictions: Predictions) -> None:
    lines = as_table(predictions, top_k=1).splitlines()
    assert lines[0].split() == ["file", "start", "end", "label", "score"]
    assert len(lines) == 2 + 4
    assert lines[2].endswith("0.00  2.50  owl    0.700")
