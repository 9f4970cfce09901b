"""A run folder holds everything; killed runs go on as if nothing had happened; other recipes are refused."""

from __future__ import annotations

import csv
import json
import math
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tenuto.data.check import check_clips
from tenuto.data.clips import ClipTable
from tenuto.data.sets import find_clips
from tenuto.data.splits import split
from tenuto.errors import UsageError, WorkError
from tenuto.models.checkpoint import load
from tenuto.training import callbacks
from tenuto.training.evaluate import evaluate_model
from tenuto.training.fit import fit
from tenuto.training.recipe import load_recipe
from tenuto.training.state import load_state, load_weights
from training.sounds import make_sounds, small_recipe


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sounds(tmp_path_factory.mktemp("data") / "sounds")


@pytest.fixture(scope="module")
def table(sounds: Path) -> ClipTable:
    return find_clips(sounds)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, table: ClipTable) -> Path:
    """A finished, uninterrupted run."""
    folder = tmp_path_factory.mktemp("run") / "whole"
    fit(small_recipe(), table, folder, seed=3)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def untimed(row: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on how busy the machine was."""
    timed = ("seconds", "test_seconds", "training_seconds", "clips_per_second")
    return {key: value for key, value in row.items() if key not in timed}


def same_outcome(one: Path, other: Path) -> None:
    """The same weights bit by bit, curves, and figures, but for times."""
    ours, theirs = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name
    figures, curves = [], []
    for folder in (one, other):
        figures.append(untimed(json.loads((folder / "metrics.json").read_text())))
        curves.append([untimed(row) for row in rows(folder / "curves.csv")])
    assert figures[0] == figures[1]
    assert curves[0] == curves[1]
    assert len(curves[0]) == 3


def test_the_run_folder_holds_what_is_needed_to_repeat_and_to_use(run: Path, table: ClipTable) -> None:
    assert load_recipe(run / "recipe.yaml") == small_recipe()
    told = json.loads((run / "run.json").read_text())
    assert (told["seed"], told["model_chosen_by"]) == (3, "the validation part")
    assert {"command", "packages", "machine", "data", "data_set", "clips", "left_out", "notes"} <= told.keys()
    assert sum(told["clips"].values()) == 24
    found = json.loads((run / "metrics.json").read_text())
    assert {"accuracy", "mAP", "AUC", "d_prime", "kept_frames", "valid_frames", "training_seconds"} <= found.keys()
    assert found["kept_frames"] == pytest.approx(found["valid_frames"] / 2, rel=0.1)
    assert [row["label"] for row in rows(run / "per_class.csv")] == list(table.labels)
    predictions = rows(run / "predictions.csv")
    assert len(predictions) == found["test_clips"] == told["clips"]["test"]
    right = sum(row["label"] == row["predicted"] for row in predictions)
    assert found["accuracy"] == pytest.approx(right / len(predictions))
    counts = [[int(row[label]) for label in table.labels] for row in rows(run / "confusion.csv")]
    assert sum(counts[i][i] for i in range(3)) == right
    assert any((run / "tensorboard").iterdir())
    assert load(run).labels == table.labels


def test_curves_have_a_row_an_epoch(run: Path) -> None:
    curves = rows(run / "curves.csv")
    assert [float(row["epoch"]) for row in curves] == [1, 2, 3]
    for name in ("train_loss", "guide_loss", "activeness", "valid_loss", "valid_accuracy", "learning_rate", "seconds"):
        assert all(math.isfinite(float(row[name])) for row in curves), name
    assert float(curves[-1]["train_loss"]) < float(curves[0]["train_loss"])


def test_the_best_epoch_is_that_of_the_validation_part(run: Path) -> None:
    curves, found = rows(run / "curves.csv"), json.loads((run / "metrics.json").read_text())
    ranks = [(float(row["valid_accuracy"]), -float(row["valid_loss"])) for row in curves]
    assert found["epoch_of_model"] == ranks.index(max(ranks)) + 1


def test_the_figures_that_choose_are_those_of_the_validation_part(run: Path, table: ClipTable) -> None:
    found = json.loads((run / "metrics.json").read_text())
    chosen = rows(run / "curves.csv")[found["epoch_of_model"] - 1]
    parts = split(table, valid_share=small_recipe().data.valid_share, seed=3)
    scored = evaluate_model(run, replace(table, clips=parts.valid)).figures
    assert scored["loss"] != pytest.approx(found["loss"], rel=1e-3), "the test part would be another matter"
    for name in ("loss", "accuracy", "mAP"):
        assert float(chosen[f"valid_{name}"]) == pytest.approx(scored[name], rel=1e-5), name


def test_the_model_is_that_of_the_best_epoch(table: ClipTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "rank", lambda row, metric: [-row["epoch"]])  # the first is the best
    found = fit(small_recipe("training.epochs=2"), table, tmp_path / "run")
    assert (found["epochs"], found["epoch_of_model"]) == (2, 1)
    saved = load_file(tmp_path / "run" / "model.safetensors")
    best, last = (load_weights(tmp_path / "run" / "checkpoints" / f"{name}.ckpt") for name in ("best", "last"))
    assert all(torch.equal(tensor, best[name]) for name, tensor in saved.items())
    assert not any(torch.equal(tensor, last[name]) for name, tensor in saved.items() if "running_mean" in name)


def test_every_seed_has_first_weights_of_its_own(table: ClipTable, tmp_path: Path) -> None:
    # a rate too small to change a 32-bit number: what is saved is what it began with
    recipe = small_recipe(
        "training.epochs=1", "training.learning_rate=1e-30", "training.choose=last", "data.valid_share=0"
    )
    drawn = []
    for run, seed in enumerate((1, 2, 1)):
        fit(recipe, table, tmp_path / str(run), seed=seed)
        weights = load(tmp_path / str(run)).backbone.named_parameters()
        drawn.append({name: weight for name, weight in weights if weight.ndim > 1})
    assert drawn[0]
    for name, weight in drawn[0].items():
        assert not torch.equal(weight, drawn[1][name]), name
        assert torch.equal(weight, drawn[2][name]), name


def test_a_finished_run_returns_at_once_and_is_not_touched(run: Path, table: ClipTable) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    found = fit(small_recipe(), table, run, seed=3)
    assert found == json.loads((run / "metrics.json").read_text())
    assert before == {path: path.stat().st_mtime_ns for path in run.rglob("*")}


def test_another_recipe_seed_or_data_is_refused(run: Path, table: ClipTable, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"differing in frontend\.n_mels, training\.epochs"):
        fit(small_recipe("training.epochs=4", "frontend.n_mels=20"), table, run, seed=3)
    with pytest.raises(UsageError, match="with seed=3, not 4"):
        fit(small_recipe(), table, run, seed=4)
    with pytest.raises(UsageError, match="with data="):
        fit(small_recipe(), find_clips(make_sounds(tmp_path / "sounds", n_a_class=9)), run, seed=3)


def test_a_folder_of_something_else_is_refused(table: ClipTable, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Sir")
    with pytest.raises(UsageError, match="is no run folder"):
        fit(small_recipe(), table, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_killed_while_writing_a_checkpoint_it_goes_on_to_the_same_result(
    run: Path, sounds: Path, table: ClipTable, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), str(sounds), str(folder), "2"]
    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL
    assert load_state(folder / "checkpoints" / "last.ckpt").epoch == 1
    assert not (folder / "metrics.json").exists()
    lines: list[str] = []
    fit(small_recipe(), table, folder, seed=3, say=lines.append)
    assert "going on after epoch 1 of 3" in lines
    same_outcome(run, folder)


def test_interrupted_by_hand_it_goes_on_to_the_same_result(run: Path, table: ClipTable, tmp_path: Path) -> None:
    def say(line: str) -> None:
        if line.startswith("epoch 2/3"):
            raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(small_recipe(), table, tmp_path / "run", seed=3, say=say)
    assert signal.getsignal(signal.SIGINT) is handler
    fit(small_recipe(), table, tmp_path / "run", seed=3)
    same_outcome(run, tmp_path / "run")


def test_mixup_balance_and_masks_are_drawn_anew_from_seed_and_epoch(table: ClipTable, tmp_path: Path) -> None:
    recipe = small_recipe("data.mixup=0.5", "data.balanced=true", "frontend.spec_augment=true")

    def say(line: str) -> None:
        if line.startswith("epoch 1/3"):
            raise KeyboardInterrupt

    fit(recipe, table, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(recipe, table, tmp_path / "parts", say=say)
    more_hands = replace(recipe, data=replace(recipe.data, workers=1))  # which change nothing
    fit(more_hands, table, tmp_path / "parts")
    same_outcome(tmp_path / "whole", tmp_path / "parts")


def test_the_state_is_plain_tensors(run: Path) -> None:
    for name in ("last.ckpt", "best.ckpt"):
        assert torch.load(run / "checkpoints" / name, weights_only=True)["model"]
    (run.parent / "broken.ckpt").write_bytes(b"PK no checkpoint")
    with pytest.raises(WorkError, match=r"broken\.ckpt cannot be read"):
        load_state(run.parent / "broken.ckpt")


def test_patience_stops_early(table: ClipTable, tmp_path: Path) -> None:
    # a rate of next to nothing: the first epoch stays the best by a hair or is beaten by a hair, never for long
    recipe = small_recipe("training.epochs=40", "training.patience=2", "training.learning_rate=1e-12")
    found = fit(recipe, table, tmp_path / "run")
    assert found["epochs"] == found["epoch_of_model"] + 2 < 40


def test_cross_entropy_and_the_last_epoch_by_choice(table: ClipTable, tmp_path: Path) -> None:
    recipe = small_recipe("training.loss=ce", "training.choose=last", "data.valid_share=0", "training.epochs=1")
    found = fit(recipe, table, tmp_path / "run")
    assert (found["model_chosen_by"], found["epoch_of_model"]) == ("last epoch", 1)
    assert load(tmp_path / "run").activation == "softmax"
    assert "valid_loss" not in rows(tmp_path / "run" / "curves.csv")[0]


def test_cross_entropy_is_refused_where_clips_have_several_labels(table: ClipTable, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"clips here have several: use training\.loss=bce"):
        fit(small_recipe("training.loss=ce"), replace(table, multi_label=True), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_stops_the_training_in_one_line(table: ClipTable, tmp_path: Path) -> None:
    with pytest.raises(WorkError, match=r"no longer a number in epoch 1: lower training\.learning_rate"):
        fit(small_recipe("training.learning_rate=1e30"), table, tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints" / "last.ckpt").exists()
    fit(small_recipe("training.epochs=1"), table, tmp_path / "run")  # the folder is free for the lower one


def test_bad_files_are_named_and_left_out(sounds: Path, tmp_path: Path) -> None:
    bad = make_sounds(tmp_path / "sounds")
    (bad / "low" / "broken.wav").write_bytes(b"RIFF no sound")
    (bad / "high" / "empty.wav").write_bytes(b"")
    lines: list[str] = []
    found = fit(small_recipe("training.epochs=1"), find_clips(bad), tmp_path / "run", say=lines.append)
    assert found["test_clips"] == 6
    told = json.loads((tmp_path / "run" / "run.json").read_text())["left_out"]
    assert sorted(Path(each["path"]).name for each in told) == ["broken.wav", "empty.wav"]
    assert all(each["reason"] for each in told)
    assert sum(line.startswith("left out: ") for line in lines) == 2
    assert "2 clips left out" in lines


def test_a_file_that_fails_in_the_middle_of_the_training_is_replaced_and_told(tmp_path: Path) -> None:
    sounds = make_sounds(tmp_path / "sounds")
    table = find_clips(sounds)
    report = check_clips(table.clips)
    for i in range(3):  # at least one of them is trained on
        (sounds / "low" / f"{i}.wav").write_bytes(b"no longer")
    fit(small_recipe("training.epochs=1"), table, tmp_path / "run", report=report)
    told = json.loads((tmp_path / "run" / "run.json").read_text())["left_out"]
    assert {Path(each["path"]).name for each in told} == {"0.wav", "1.wav", "2.wav"}


def test_evaluate_says_what_the_end_of_the_training_said(run: Path, table: ClipTable, tmp_path: Path) -> None:
    tested = {row["path"] for row in rows(run / "predictions.csv")}
    clips = tuple(clip for clip in table.clips if str(clip.path) in tested)
    part = ClipTable(clips, table.labels, table.multi_label, table.name, table.root)
    found = evaluate_model(run, part, out=tmp_path)
    before = json.loads((run / "metrics.json").read_text())
    for key in ("accuracy", "mAP", "AUC", "loss", "kept_frames", "valid_frames"):
        assert found.figures[key] == pytest.approx(before[key]), key
    for a, b in zip(found.figures["per_class"], before["per_class"], strict=True):
        assert a == pytest.approx(b), b["label"]
    ours, theirs = (sorted(rows(folder / "predictions.csv"), key=lambda row: row["path"]) for folder in (tmp_path, run))
    for a, b in zip(ours, theirs, strict=True):
        assert a.keys() == b.keys()
        assert float(a["score:low"]) == pytest.approx(float(b["score:low"]), abs=2e-6)


def test_the_answer_for_a_clip_does_not_depend_on_the_others(run: Path, table: ClipTable, tmp_path: Path) -> None:
    one = ClipTable(table.clips[:1], table.labels, table.multi_label, table.name, table.root)
    evaluate_model(run, one, out=tmp_path / "one")
    evaluate_model(run, table, out=tmp_path / "all")
    alone = rows(tmp_path / "one" / "predictions.csv")[0]
    among = next(row for row in rows(tmp_path / "all" / "predictions.csv") if row["path"] == alone["path"])
    for label in table.labels:
        assert float(alone[f"score:{label}"]) == pytest.approx(float(among[f"score:{label}"]), abs=1e-5)


def test_labels_that_the_model_does_not_know(run: Path, table: ClipTable, tmp_path: Path) -> None:
    other = make_sounds(tmp_path / "other")
    (other / "low").rename(other / "lowest")
    found = evaluate_model(run, find_clips(other))
    assert found.figures["test_clips"] == 16
    assert {each.reason for each in found.left_out} == {"the model has no label 'lowest'"}
    for name in ("middle", "high"):
        (other / name).rename(other / f"{name}er")
    with pytest.raises(UsageError, match="of which the model knows none: it knows high, low, middle"):
        evaluate_model(run, find_clips(other))
