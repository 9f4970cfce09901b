"""The command line as a person or a script meets it: exit codes, one line for a mistake, JSON alone on its stream."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest

from inference.material import make_model
from tenuto.cli import SETTING, VERBS, main, parse
from tenuto.errors import UsageError
from tenuto.models.checkpoint import save
from tenuto.training.recipe import Recipe
from tenuto.training.state import load_state
from training.sounds import SMALL, make_sounds

TENUTO = [sys.executable, "-m", "tenuto.cli"]


def test_help_loads_no_torch() -> None:
    code = (
        "import sys; from tenuto.cli import main\n"
        "try: main(['train', '-h'])\n"
        "except SystemExit as error: sys.exit(error.code or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--folds" in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([verb, "-h"])
    assert caught.value.code == 0
    assert f"usage: tenuto {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        ("", "tenuto: the following arguments are required: VERB (see tenuto -h)"),
        ("sing", "tenuto: argument VERB: invalid choice: 'sing'"),
        ("train", "tenuto: the following arguments are required: source (see tenuto train -h)"),
        ("train x --folds", "tenuto: argument --folds: expected one argument (see tenuto train -h)"),
        ("train x training.epoch=3", "tenuto: unknown setting 'training.epoch'; nearest: training.epochs"),
        ("train x epochs=3", "tenuto: 'epochs=3' is not a setting, wanted section.key=value"),
        ("train x --recipe fsd", "tenuto: unknown recipe 'fsd'; nearest: fsd"),
        ("train x --seeds 0;1", "tenuto: --seeds '0;1': wanted whole numbers with commas between them"),
        ("train x --seed 0 --seeds 1", "tenuto: --seed and --seeds are given: choose one of them"),
        ("train no/such/folder", "tenuto: no/such/folder: no such folder or file"),
        ("evaluate no/such/run .", "tenuto: "),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_2(call: str, wanted: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(call.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(wanted)
    assert err.count("\n") == 1


def test_settings_may_stand_anywhere_and_are_refused_where_none_are_taken() -> None:
    args = parse(["train", "model.head=mean", "folder", "--json", "training.epochs=3", "--fold", "1"])
    assert (args.source, args.fold, args.json) == ("folder", "1", True)
    assert args.settings == ["model.head=mean", "training.epochs=3"]
    with pytest.raises(UsageError, match=r"unrecognized arguments: training\.epochs=3"):
        parse(["evaluate", "run", "folder", "training.epochs=3"])


def test_only_what_names_a_section_is_a_setting_and_no_value_of_an_option() -> None:
    args = parse(["train", "set=1/", "training.epochs=3", "--out", "lr=0.1", "--fold", "data.x=1", "--json"])
    assert (args.source, str(args.out), args.fold, args.settings) == (
        "set=1/",
        "lr=0.1",
        "data.x=1",
        ["training.epochs=3"],
    )
    args = parse(["train", "x", "--out", "training.epochs=3", "training.epochs=3", "--js", "data.workers=1"])
    assert (str(args.out), args.settings) == ("training.epochs=3", ["training.epochs=3", "data.workers=1"])
    assert parse(["reproduce", "table1", "--data", "model.a=x", "model.head=mean"]).settings == ["model.head=mean"]
    for section in (each.name for each in fields(Recipe)):
        assert SETTING.match(f"{section}.key=value")


def test_defaults_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    for verb, wanted in {
        "train": "(default: default, DiffRes at 25 frames a second)",
        "evaluate": "(default: cpu)",
    }.items():
        with pytest.raises(SystemExit):
            main([verb, "-h"])
        assert wanted in " ".join(capsys.readouterr().out.split())
    assert parse(["train", "x"]).recipe == "default"


def test_what_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(make_model(clip_seconds=1.0), tmp_path / "run")
    sounds = make_sounds(tmp_path / "sounds", n_a_class=1)
    (tmp_path / "file").write_text("no folder")
    assert main(["predict", str(tmp_path / "run"), str(sounds), "--csv", str(tmp_path / "file" / "x.csv")]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"tenuto: {tmp_path}/file/x.csv")
    assert err.endswith(": mend that or choose another place, then give the command again\n")
    (tmp_path / "x.csv").mkdir()  # a file is written beside its place, and told of by its name
    assert main(["predict", str(tmp_path / "run"), str(sounds), "--csv", str(tmp_path / "x.csv")]) == 1
    assert capsys.readouterr().err.startswith(f"tenuto: {tmp_path}/x.csv: Is a directory")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_an_answer_that_finds_no_room_is_one_line() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*TENUTO, "data", "list"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("tenuto: standard output or a file: No space left on device")
    assert done.stderr.count("\n") == 1


def test_train_evaluate_and_what_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sounds, run = make_sounds(tmp_path / "sounds", folds=2), str(tmp_path / "run")
    small = [*SMALL, "training.epochs=1"]
    assert main(["train", str(sounds), "--out", run, "--fold", "1", "--json", *small]) == 0
    out, err = capsys.readouterr()
    trained = json.loads(out)
    assert trained["test_clips"] == 12
    assert "epoch 1/1 · loss" in err
    assert main(["evaluate", run, str(sounds), "--fold", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == pytest.approx(trained["accuracy"])
    (sounds / "low" / "1.wav").write_bytes(b"no sound")
    assert main(["evaluate", run, str(sounds), "--fold", "1", "--out", str(tmp_path / "tested"), "--json"]) == 3
    out, err = capsys.readouterr()
    assert [Path(each["path"]).name for each in json.loads(out)["left_out"]] == ["1.wav"]
    assert "left out: " in err
    assert json.loads((tmp_path / "tested" / "metrics.json").read_text())["test_clips"] == 11
    assert main(["train", str(sounds), "--out", f"{run}-many", "--folds", "all", "--seeds", "0,1", *small]) == 3
    out, err = capsys.readouterr()
    assert out.startswith("accuracy")
    assert "4 runs" in out
    assert main(["train", str(sounds), "--out", run, "--fold", "3", *small]) == 2
    assert "3" in capsys.readouterr().err
    assert main(["evaluate", run, str(sounds), "--split", "test"]) == 3
    assert "11 of 24 clips: the test part of this run (files, labels" in capsys.readouterr().err
    assert main(["evaluate", run, str(sounds), "--layout", "no-such-layout"]) == 2
    assert "no data layout 'no-such-layout'" in capsys.readouterr().err


def test_a_folder_with_a_name_that_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sounds, run = make_sounds(tmp_path / "sounds"), tmp_path / "run"
    os.rename(sounds / "low" / "1.wav", os.fsencode(sounds / "low") + b"/bad\xff.wav")
    assert main(["data", "check", str(sounds)]) == 3
    assert r"bad\udcff.wav" in capsys.readouterr().out
    assert main(["train", str(sounds), "--out", str(run), "--json", *SMALL, "training.epochs=1"]) == 3
    out, err = capsys.readouterr()
    assert json.loads(out)["epochs"] == 1
    assert "its name is not UTF-8: rename it" in err
    (left_out,) = json.loads((run / "run.json").read_text())["left_out"]
    assert os.fsencode(left_out["path"]).endswith(b"bad\xff.wav")


def test_too_little_memory_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sounds = make_sounds(tmp_path / "sounds")
    assert main(["train", str(sounds), "--out", str(tmp_path / "run"), *SMALL, "data.clip_seconds=1e9"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("tenuto: not enough memory (")


def test_an_answer_that_nobody_reads_is_no_traceback() -> None:
    command = [sys.executable, "-m", "tenuto.cli", "data", "list"]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert started.stdout is not None
    started.stdout.close()
    assert started.stderr is not None
    assert (started.stderr.read(), started.wait(60)) == ("", 141)
    started.stderr.close()


def hear_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_is_130_and_the_same_command_goes_on(tmp_path: Path, told: signal.Signals) -> None:
    """In a process of its own, with warnings as errors and nothing but JSON on standard output."""
    sounds, run = make_sounds(tmp_path / "sounds"), tmp_path / "run"
    settings = [*SMALL, "training.epochs=20"]
    command = [*TENUTO, "train", str(sounds), "--out", str(run), "--json", *settings]
    pipe = subprocess.PIPE  # a shell that started these tests in the background made them deaf to Ctrl-C
    started = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, preexec_fn=hear_ctrl_c)
    last = run / "checkpoints" / "last.ckpt"
    while not last.exists() and started.poll() is None:
        time.sleep(0.02)
    started.send_signal(told)
    out, err = started.communicate(timeout=120)
    assert (started.returncode, out) == (130, ""), err
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "tenuto: interrupted; the same command goes on"
    n_done = load_state(last).epoch
    assert 1 <= n_done < 20
    again = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert f"going on after epoch {n_done} of 20" in again.stderr
    assert json.loads(again.stdout)["epochs"] == 20
