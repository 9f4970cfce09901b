"""`tenuto train` and `tenuto evaluate`: on which clips a run is evaluated, and what is refused before it is made."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tenuto.cli import main
from tenuto.training.recipe import load_recipe
from training.sounds import SMALL, make_sounds

QUICK = [*SMALL, "training.epochs=1"]
PARTS = {"train": 15, "valid": 3, "test": 6, "all": 24}  # drawn by lot of 3 classes of 8 clips


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sounds(tmp_path_factory.mktemp("data") / "plain")


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sounds(tmp_path_factory.mktemp("data") / "folded", folds=2)


@pytest.fixture(scope="module")
def run(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose test part was drawn by lot."""
    folder = tmp_path_factory.mktemp("runs") / "by-lot"
    assert main(["train", str(plain), "--out", str(folder), "--seed", "3", *QUICK, "data.valid_share=0.2"]) == 0
    return folder


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> tuple[dict[str, Any], str]:
    """What `tenuto evaluate --json` says, and what it tells the person."""
    capsys.readouterr()
    assert main(["evaluate", *map(str, arguments), "--json"]) == code
    out, err = capsys.readouterr()
    return json.loads(out), err


def told(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return found


def same_figures(found: dict[str, Any], run: Path) -> None:
    of_the_run = told(run)
    for name in ("test_clips", "accuracy", "kept_frames", "valid_frames"):
        assert found[name] == of_the_run[name], name
    for name in ("mAP", "AUC", "d_prime", "loss"):
        assert found[name] == pytest.approx(of_the_run[name], abs=1e-6), name


@pytest.mark.parametrize("arguments", [(), ("--split", "test")])
def test_a_run_is_evaluated_on_its_own_test_part(
    run: Path, plain: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    found, err = evaluated(capsys, run, plain, *arguments)
    same_figures(found, run)
    assert "6 of 24 clips: the test part of this run" in err
    assert ("--split all: every clip" in err) == (not arguments)
    same_figures(evaluated(capsys, run / "model.json", plain, *arguments)[0], run)


def test_the_parts_of_a_run_are_its_own(run: Path, plain: Path, tmp_path: Path) -> None:
    rows: dict[str, list[str]] = {}
    for part, n_clips in PARTS.items():
        out = tmp_path / part
        assert main(["evaluate", str(run), str(plain), "--split", part, "--out", str(out)]) == 0
        rows[part] = [line.split(",")[0] for line in (out / "predictions.csv").read_text().splitlines()[1:]]
        assert len(rows[part]) == n_clips
    assert sorted(rows["train"] + rows["valid"] + rows["test"]) == sorted(rows["all"])
    assert sorted(rows["test"]) == sorted(
        line.split(",")[0] for line in (run / "predictions.csv").read_text().splitlines()[1:]
    )


def test_a_run_on_a_fold_is_evaluated_on_that_fold(
    folded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["train", str(folded), "--out", str(run), "--fold", "1", *QUICK]) == 0
    found, err = evaluated(capsys, run, folded)
    same_figures(found, run)
    assert "12 of 24 clips: the test part of this run" in err
    for folds, n_clips in (("1", 12), ("all", 24), ("0,1", 24)):
        found, err = evaluated(capsys, run, folded, "--fold", folds)
        assert (found["test_clips"], err) == (n_clips, "")


def test_a_broken_file_changes_nothing_of_the_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sounds, run = make_sounds(tmp_path / "sounds"), tmp_path / "run"
    (sounds / "low" / "3.wav").write_bytes(b"no sound")
    assert main(["train", str(sounds), "--out", str(run), *QUICK]) == 3
    found, err = evaluated(capsys, run, sounds, code=3)
    same_figures(found, run)
    assert "3.wav" in err


def test_of_other_data_nothing_is_claimed(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = make_sounds(tmp_path / "other", n_a_class=4)
    found, err = evaluated(capsys, run, other)
    assert (found["test_clips"], err) == (12, "")
    assert evaluated(capsys, run, other, "--split", "all")[0]["test_clips"] == 12
    assert main(["evaluate", str(run), str(other), "--split", "test"]) == 2
    assert "no clip of split 'test': its splits are not given" in capsys.readouterr().err


def test_every_clip_is_evaluated_without_what_the_run_says(
    run: Path, plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = tmp_path / "run"
    copied.mkdir()
    for name in ("model.json", "model.safetensors", "recipe.yaml"):
        (copied / name).write_bytes((run / name).read_bytes())
    (copied / "run.json").write_text("{")
    assert main(["evaluate", str(copied), str(plain)]) == 1
    assert "--split all evaluates every clip without it" in capsys.readouterr().err
    assert evaluated(capsys, copied, plain, "--split", "all")[0]["test_clips"] == 24


@pytest.mark.parametrize("name", ["model.onnx", "model.pt2"])
def test_an_exported_file_is_refused_before_a_clip_is_decoded(
    plain: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(b"\xff\x00 no JSON")
    monkeypatch.setattr("tenuto.training.commands.check_clips", lambda *_: pytest.fail("decoded first"))
    assert main(["evaluate", str(tmp_path / name), str(plain)]) == 2
    err = capsys.readouterr().err
    assert "give the run folder it came from, or its model.json" in err
    assert ".onnx is for `tenuto predict`, .pt2 for torch.export.load" in err
    assert err.count("\n") == 1


def test_clips_of_no_or_several_labels_are_no_test_of_a_model_of_one(
    run: Path, plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{plain}/low/1.wav,low", f"{plain}/high/1.wav,high;low", f"{plain}/middle/1.wav,"]
    table = tmp_path / "clips.csv"
    table.write_text("\n".join(["path,label", *rows]) + "\n")
    found, err = evaluated(capsys, run, table, code=3)
    assert found["test_clips"] == 1
    reasons = {Path(each["path"]).parent.name: each["reason"] for each in found["left_out"]}
    one = "the model is for one label a clip, and this one has"
    assert reasons == {"high": f"{one} 2 (high;low)", "middle": f"{one} none"}
    assert f"high/1.wav: {one} 2 (high;low)" in err
    table.write_text("\n".join(["path,label", *rows[1:]]) + "\n")
    assert main(["evaluate", str(run), str(table)]) == 2
    assert "no clip has one label that the model knows" in capsys.readouterr().err


@pytest.mark.parametrize("more", [[], ["--seeds", "0,1"]])
@pytest.mark.parametrize(
    ("fold", "wanted"),
    [
        ("9", "has no fold '9': its folds are 0, 1"),
        ("0,1", "--fold 0,1: wanted the name of one fold; --folds takes several"),
        ("all", "--fold all: wanted the name of one fold; --folds takes several"),
    ],
)
def test_a_wrong_fold_leaves_nothing_behind(
    folded: Path, tmp_path: Path, fold: str, wanted: str, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["train", str(folded), "--out", str(out), "--fold", fold, *more, *QUICK]) == 2
    err = capsys.readouterr().err
    assert wanted in err
    assert err.count("\n") == 1
    assert not out.exists()


def test_other_data_in_a_run_folder_is_said_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sounds, call = make_sounds(tmp_path / "sounds"), ["--out", str(tmp_path / "run"), *QUICK]
    assert main(["train", str(sounds), *call]) == 0
    (sounds / "low" / "7.wav").unlink()
    capsys.readouterr()
    assert main(["train", str(sounds), *call]) == 2
    assert "(files, labels, folds or parts came, went or changed since)" in capsys.readouterr().err


def test_a_training_takes_the_recipe_named_default(plain: Path, tmp_path: Path) -> None:
    settings = [each for each in QUICK if not each.startswith(("frontend.resolution", "frontend.fps"))]
    assert main(["train", str(plain), "--out", str(tmp_path / "run"), *settings]) == 0
    front_end = load_recipe(tmp_path / "run" / "recipe.yaml").frontend
    assert (front_end.resolution, front_end.fps) == ("diffres", 25)
    assert main(["train", str(plain), "--out", str(tmp_path / "all"), "frontend.resolution=none", *settings]) == 0
    front_end = load_recipe(tmp_path / "all" / "recipe.yaml").frontend
    assert (front_end.resolution, front_end.fps) == ("none", None)


def test_what_cannot_be_computed_is_null_in_json(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A class that is never predicted has no precision; NaN is no JSON."""
    call = ["train", str(plain), "--out", str(tmp_path / "run"), "--json", *QUICK, "training.learning_rate=1e-9"]
    assert main(call) == 0
    first = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert None in [each["precision"] for each in first["per_class"]]
    assert main(call) == 0  # finished
    assert json.loads(capsys.readouterr().out) == first


@pytest.mark.parametrize("recipe", ["default", "esc10"])
def test_every_frame_takes_away_the_frames_a_second_of_a_recipe(recipe: str) -> None:
    assert load_recipe(recipe).frontend.fps == 25
    assert load_recipe(recipe, ["frontend.resolution=none"]).frontend.fps is None
    assert load_recipe(recipe, ["frontend.resolution=avgpool"]).frontend.fps == 25


def test_every_frame_beside_frames_a_second_clashes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "x", "frontend.resolution=none", "frontend.fps=25"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("tenuto: fps=25 with resolution='none', which keeps all 100 frames a second")
    assert err.count("\n") == 1


def no_file_above_20_kb() -> None:
    """As a full disk: what is written beyond fails."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_a_checkpoint_that_does_not_fit_is_one_line(plain: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tenuto.cli", "train", str(plain), "--out", str(tmp_path / "run"), *QUICK]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=no_file_above_20_kb)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert "best.ckpt cannot be written" in done.stderr.splitlines()[-1]
