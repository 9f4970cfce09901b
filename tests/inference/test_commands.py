"""`tenuto predict` and `tenuto explain`, as a person calls them."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from inference.material import make_model
from tenuto.cli import main
from tenuto.models.checkpoint import save

Write = Callable[..., Path]


@pytest.fixture
def run_folder(tmp_path: Path) -> str:
    """A saved model of clips of one second."""
    save(make_model(clip_seconds=1.0), tmp_path / "run")
    return str(tmp_path / "run")


def test_predict_prints_a_table(run_folder: str, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", run_folder, str(write("a.wav", 2.0))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["file", "start", "end", "label", "score"]
    assert len(lines) == 2 + 2 * 3 + 2
    assert lines[-1] == "2 windows of 1 file"


def test_predict_json_is_alone_on_standard_output(
    run_folder: str, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = write("deep/a.wav", 1.0), tmp_path / "clips" / "bad.wav"
    bad.write_text("not audio")
    assert main(["predict", run_folder, str(tmp_path / "clips"), "--json"]) == 3
    out, err = capsys.readouterr()
    value = json.loads(out)
    assert [window["file"] for window in value["predictions"]] == [str(good)]
    assert len(value["predictions"][0]["scores"]) == 4
    assert value["left_out"][0]["file"] == str(bad)
    assert err.startswith(f"left out: {bad}: not audio")


def test_names_that_are_no_text_are_left_out_and_told(
    run_folder: str, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write("a.wav", 1.0)
    for name in (b"bad\xff.wav", b"two\nlines.wav"):
        os.link(good, os.fsencode(good.parent) + b"/" + name)
    assert main(["predict", run_folder, str(good.parent), "--json", "--csv", str(tmp_path / "a.csv")]) == 3
    out, err = capsys.readouterr()
    value = json.loads(out)
    assert [os.path.basename(window["file"]) for window in value["predictions"]] == ["a.wav", "two\nlines.wav"]
    assert os.fsencode(value["left_out"][0]["file"]).endswith(b"bad\xff.wav")
    assert err.endswith("its name is not UTF-8: rename it\n")
    assert len(err.splitlines()) == 1


def test_a_reason_is_one_line_whatever_a_file_is_called(
    run_folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "two\nlines.wav").write_text("not audio")
    assert main(["predict", run_folder, str(tmp_path / "two\nlines.wav")]) == 1
    assert capsys.readouterr().err.startswith(f"left out: {tmp_path}/two\\nlines.wav: not audio")


def test_predict_writes_all_shapes_and_clears_its_journal(
    run_folder: str, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    call = ["predict", run_folder, str(write("a.wav", 2.5)), "--window", "1", "--hop", "0.5", "--wide"]
    call += ["--csv", str(out / "a.csv"), "--audacity", str(out / "labels"), "--raven", str(out / "raven.txt")]
    assert main(call) == 0
    with (out / "a.csv").open() as file:
        assert [row["start"] for row in csv.DictReader(file)] == ["0", "0.5", "1", "1.5"]
    assert sorted(path.name for path in out.iterdir()) == ["a.csv", "labels", "raven.txt"]
    assert "4 windows of 1 file\n" in capsys.readouterr().out


def test_a_journal_that_was_named_stays(run_folder: str, write: Write, tmp_path: Path) -> None:
    call = ["predict", run_folder, str(write("a.wav")), "--journal", str(tmp_path / "j"), "--csv", str(tmp_path / "c")]
    assert main(call) == 0
    assert len(list((tmp_path / "j").iterdir())) == 1


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["missing.wav"], 1, "left out: missing.wav: no such file"),
        (["a.wav", "--hop", "5"], 2, "sound would be skipped"),
        (["a.wav", "--top-k", "0"], 2, "top_k is 0"),
        (["a.wav", "--wide"], 2, "give --csv FILE"),
        ([], 2, "FILE"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_code(
    run_folder: str,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    told: str,
) -> None:
    monkeypatch.chdir(write("a.wav").parent)
    assert main(["predict", run_folder, *options]) == code
    err = capsys.readouterr().err
    assert told in err
    assert len(err.splitlines()) == 1


def test_a_folder_without_a_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(tmp_path), "a.wav"]) == 2
    assert "model.json" in capsys.readouterr().err


def test_explain_writes_a_picture_beside_where_one_stands(
    run_folder: str, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["explain", run_folder, str(write("a.wav"))]) == 0
    assert (tmp_path / "a.explained.png").stat().st_size > 10_000
    assert capsys.readouterr().out.splitlines()[-1] == "wrote a.explained.png"


def test_explain_json_holds_the_importance(
    run_folder: str, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outs = ["--out", str(tmp_path / "a.svg"), "--out", str(tmp_path / "a.json")]
    assert main(["explain", run_folder, str(write("a.wav", 3.0)), *outs, "--start", "1", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["start"], value["end"], value["n_frames"], value["n_kept"]) == (1.0, 2.0, 100, 25)
    assert value["written"] == outs[1::2]
    assert json.loads((tmp_path / "a.json").read_text())["frames"] == value["frames"]


def test_explain_names_all_that_it_wrote(
    run_folder: str, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["explain", run_folder, str(write("a.wav")), "--out", str(tmp_path / "a.csv")]
    wrote = [str(tmp_path / name) for name in ("a.csv", "a_kept.csv")]
    assert main(call) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [f"wrote {path}" for path in wrote]
    assert main([*call, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["written"] == wrote
    assert sorted(str(path) for path in tmp_path.glob("*.csv")) == wrote


@pytest.mark.parametrize(
    "call", [["predict", "model.pt2", "a.wav"], ["explain", "model.onnx", "a.wav"], ["export", "model.onnx", "b.onnx"]]
)
def test_an_exported_file_where_a_run_folder_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], call: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(call[1]).write_bytes(b"\x08\xff\xc6")
    assert main(call) == 2
    err = capsys.readouterr().err
    assert "give the run folder" in err
    assert "(.onnx is for `tenuto predict`, .pt2 for torch.export.load)" in err
    assert len(err.splitlines()) == 1


def test_explain_of_what_is_not_audio_fails_in_one_line(
    run_folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", run_folder, str(tmp_path / "missing.wav")]) == 1
    assert capsys.readouterr().err == f"tenuto: {tmp_path / 'missing.wav'}: no such file\n"
