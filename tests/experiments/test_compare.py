"""Two runs on the same clips: metrics under redrawn clips, what is refused, what is told and drawn."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from math import comb
from pathlib import Path

import numpy as np
import pytest
import torch

from tenuto.cli import main
from tenuto.errors import UsageError, WorkError
from tenuto.experiments import resampling
from tenuto.experiments.answers import read_pair
from tenuto.experiments.compare import compare
from tenuto.experiments.compare_page import as_text, draw
from tenuto.files import write_json
from tenuto.report.changes import MEDIAN, class_changes
from tenuto.training import metrics

Answer = tuple[str, str, Sequence[float]]


def write_run(folder: Path, labels: Sequence[str], answers: Sequence[Answer], given: Sequence[str] = ()) -> Path:
    """A run folder with predictions of (path, label, scores) alone."""
    folder.mkdir(parents=True)
    with (folder / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "predicted", "kept_frames", *(f"score:{label}" for label in labels)])
        for i, (path, label, scores) in enumerate(answers):
            best = given[i] if given else labels[int(np.argmax(scores))]
            writer.writerow([path, label, best, 25, *scores])
    return folder


def two_runs(tmp_path: Path) -> tuple[Path, Path]:
    """Six clips; B has one of the cats right that A has not, and A one dog that B has not."""
    right = {"cat": (0.9, 0.1), "dog": (0.2, 0.8)}
    wrong = {"cat": (0.3, 0.7), "dog": (0.6, 0.4)}
    clips = [(f"/data/x/{label}{i}.wav", label) for label in right for i in range(3)]
    first = [(p, label, wrong[label] if p.endswith(("cat0.wav", "cat1.wav")) else right[label]) for p, label in clips]
    second = [(p, label, wrong[label] if p.endswith(("cat0.wav", "dog2.wav")) else right[label]) for p, label in clips]
    moved = [(path.replace("/data/x", "/elsewhere"), label, scores[::-1]) for path, label, scores in reversed(second)]
    one = write_run(tmp_path / "one", ("cat", "dog"), first)
    return one, write_run(tmp_path / "two", ("dog", "cat"), moved)


@pytest.mark.parametrize("n_digits", [1, 6])  # one digit: many clips of the same score
def test_metrics_of_the_clips_as_they_are_are_those_of_the_training(n_digits: int) -> None:
    random = np.random.default_rng(0)
    scores = random.random((60, 4)).round(n_digits)
    targets = random.random((60, 4)) < [0.1, 0.5, 0.9, 0.0]
    ones = np.ones((60, 1))
    tensors = torch.tensor(scores), torch.tensor(targets)
    wanted = metrics.average_precision(*tensors).numpy(), metrics.auc(*tensors).numpy()
    found = resampling.average_precisions(scores, targets, ones), resampling.aucs(scores, targets, ones)
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_allclose(other[:, 0], one, atol=1e-6)
    assert np.isnan(found[0][3, 0])  # a class without clips


def test_a_draw_is_the_metric_of_the_clips_drawn() -> None:
    random = np.random.default_rng(1)
    scores, targets = random.random((40, 3)).round(1), random.random((40, 3)) < 0.4
    given = np.eye(3, dtype=bool)[scores.argmax(1)]
    weights = resampling.draw_clips(40, 5, seed=2)
    np.testing.assert_array_equal(weights.sum(0), 40)
    for draw_number in range(5):
        drawn = np.repeat(np.arange(40), weights[:, draw_number].astype(int))
        for measure, answers in (
            (resampling.average_precisions, scores),
            (resampling.aucs, scores),
            (resampling.recalls, given),
        ):
            literal = measure(answers[drawn], targets[drawn], np.ones((40, 1)))[:, 0]  # type: ignore[operator]
            np.testing.assert_allclose(measure(answers, targets, weights)[:, draw_number], literal)  # type: ignore[operator]


@pytest.mark.parametrize(("n_first", "n_second"), [(0, 0), (3, 3), (1, 8), (27, 8), (400, 900)])
def test_mcnemars_p_is_the_chance_of_a_split_as_uneven(n_first: int, n_second: int) -> None:
    n = n_first + n_second
    uneven = sum(comb(n, k) for k in range(n + 1) if abs(2 * k - n) >= abs(n_first - n_second))
    assert resampling.mcnemar(n_first, n_second) == pytest.approx(uneven / 2**n)


def test_what_changed_overall_and_for_each_class(tmp_path: Path) -> None:
    found = compare(*two_runs(tmp_path))
    assert (found.first, found.second, found.metric, found.n_clips) == ("one", "two", "accuracy", 6)
    changes = {each.name: (each.first, each.second, each.n_clips) for each in found.classes}
    assert changes == {"cat": (pytest.approx(1 / 3), pytest.approx(2 / 3), 3), "dog": (1, pytest.approx(2 / 3), 3)}
    assert [each.name for each in found.classes] == ["cat", "dog"]  # the largest gain first
    assert found.overall.change == pytest.approx(0)
    assert found.agreement is not None
    assert (found.agreement.n_both, found.agreement.n_only_first, found.agreement.n_only_second) == (3, 1, 1)
    assert (found.agreement.n_neither, found.agreement.p) == (1, 1.0)


def test_the_interval_is_that_of_paired_clips(tmp_path: Path) -> None:
    """The difference of 200 clips of which 20 change: its standard error is known."""
    clips = [(f"/d/{i:03d}.wav", "ab"[i % 2]) for i in range(200)]
    right, wrong = {"a": (0.8, 0.2), "b": (0.2, 0.8)}, {"b": (0.8, 0.2), "a": (0.2, 0.8)}
    first = [(p, label, right[label] if i >= 20 else wrong[label]) for i, (p, label) in enumerate(clips)]
    second = [(p, label, right[label]) for p, label in clips]
    one, two = write_run(tmp_path / "a", "ab", first), write_run(tmp_path / "b", "ab", second)
    overall = compare(one, two, n_draws=4000).overall
    error = (0.1 * 0.9 / 200) ** 0.5
    assert overall.low == pytest.approx(0.1 - 1.96 * error, abs=0.008)
    assert overall.high == pytest.approx(0.1 + 1.96 * error, abs=0.008)
    same = compare(one, one).overall
    assert (same.change, same.low, same.high) == (0, 0, 0)


def test_several_labels_a_clip_are_compared_by_map(tmp_path: Path) -> None:
    truth = ["a;b", "b", "", "a"]
    scores = [(0.9, 0.2, 0.1), (0.3, 0.4, 0.1), (0.6, 0.3, 0.1), (0.5, 0.1, 0.1)]
    rows = [(f"/d/{i}.wav", label, s) for i, (label, s) in enumerate(zip(truth, scores, strict=True))]
    better = [(path, label, (0.9, s[1], s[2]) if "a" in label else s) for path, label, s in rows]
    one = write_run(tmp_path / "a", "abc", rows, given=["a", "", "a", "a"])
    two = write_run(tmp_path / "b", "abc", better, given=["a", "", "a", "a"])
    found = compare(one, two)
    assert (found.metric, found.agreement, found.undefined) == ("mAP", None, ("c",))
    assert found.classes[0].name == "a"
    assert (found.classes[0].first, found.classes[0].second) == (pytest.approx((1 + 2 / 3) / 2), 1)
    assert found.overall.second == pytest.approx((1 + found.classes[1].second) / 2)
    assert "without a test clip: c" in as_text(found)
    with pytest.raises(UsageError, match="accuracy of clips with several labels says little"):
        compare(one, two, "accuracy")


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    one, two = two_runs(tmp_path)
    answers: list[Answer] = [("/data/x/cat0.wav", "cat", (1, 0)), ("/data/x/cat9.wav", "cat", (1, 0))]
    other_clips = write_run(tmp_path / "clips", ("cat", "dog"), answers)
    other_labels = write_run(tmp_path / "labels", ("cat", "cow"), answers)
    with pytest.raises(UsageError, match=r"no predictions\.csv: make one with tenuto train SOURCE --out"):
        compare(one, tmp_path / "none")
    with pytest.raises(UsageError, match=r"other clips \(5 only in one, 1 only in clips, such as cat1\.wav\)"):
        compare(one, other_clips)
    with pytest.raises(UsageError, match="wanted the same ones; only in one: dog; only in labels: cow"):
        compare(one, other_labels)
    with pytest.raises(UsageError, match="unknown metric 'acc'"):
        compare(one, two, "acc")
    text = (two / "predictions.csv").read_text()
    (two / "predictions.csv").write_text(text.replace("/elsewhere/cat0.wav,cat", "/elsewhere/cat0.wav,dog"))
    with pytest.raises(UsageError, match=r"cat0\.wav has other labels in one than in two"):
        compare(one, two)
    (two / "predictions.csv").write_text("path,label,predicted,score:a\nx,a,a,much\n")
    with pytest.raises(WorkError, match="cannot be read as predictions"):
        compare(one, two)


def test_moved_clips_are_the_same_and_other_data_of_the_same_names_is_not(tmp_path: Path) -> None:
    one, two = two_runs(tmp_path)
    write_json(one / "run.json", {"data_set": {"sha256": "1"}})
    write_json(two / "run.json", {"data_set": {"sha256": "1"}})
    assert read_pair(one, two)[0].clips == ("cat0.wav", "cat1.wav", "cat2.wav", "dog0.wav", "dog1.wav", "dog2.wav")
    write_json(two / "run.json", {"data_set": {"sha256": "2"}})
    with pytest.raises(UsageError, match="other data sets under the same names"):
        read_pair(one, two)


def test_cells_of_a_grid_are_called_by_what_differs(tmp_path: Path) -> None:
    one, two = two_runs(tmp_path)
    names = [tmp_path / f"fsdd.fixed.{kind}.george.seed0" for kind in ("logmel.100fps", "diffres.25fps")]
    for run, name in zip((one, two), names, strict=True):
        run.rename(name)
    assert [answers.name for answers in read_pair(*names)] == ["logmel.100fps", "diffres.25fps"]


def test_the_picture_has_a_bar_a_class_and_the_median_dashed_red(tmp_path: Path) -> None:
    figure = draw(compare(*two_runs(tmp_path)))
    bars, violin = figure.axes
    assert [round(patch.get_height(), 1) for patch in bars.patches] == [33.3, -33.3]  # type: ignore[attr-defined]
    assert [tick.get_text() for tick in bars.get_xticklabels()] == ["cat", "dog"]
    median = next(line for line in violin.get_lines() if line.get_color() == MEDIAN)
    assert np.asarray(median.get_ydata()) == pytest.approx([0, 0])
    assert median.get_linestyle() == "--"
    many = class_changes([f"class {i}" for i in range(100)], np.linspace(10, -5, 100))
    assert many.axes[0].get_xlabel() == "100 classes, sorted"
    assert "class 0 +10" in many.axes[0].texts[0].get_text()
    assert "class 99 \N{MINUS SIGN}5" in many.axes[0].texts[1].get_text()
    with pytest.raises(UsageError, match="2 names and 1 changes"):
        class_changes(["a", "b"], np.zeros(1))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = map(str, two_runs(tmp_path))
    picture, table = tmp_path / "change.png", tmp_path / "change.csv"
    assert main(["compare", one, two, "--out", str(picture), "--out", str(table), "--json", "--draws", "50"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["written"] == [str(picture), str(table)]
    assert found["mcnemar"]["only_first"] == 1
    assert picture.stat().st_size > 1000
    assert table.read_text().splitlines()[1].startswith("cat,3,33.3,66.7,+33.3,")
    assert main(["compare", one, two]) == 0
    assert "accuracy: 66.7 % → 66.7 %, 0.0 points" in capsys.readouterr().out
    assert main(["compare", one, two, "--out", "change.txt"]) == 2
    assert "change.txt: wanted a name that ends in one of .png, .svg, .pdf, .csv" in capsys.readouterr().err
    assert main(["compare", one, two, "--draws", "0"]) == 2
