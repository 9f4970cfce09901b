"""`tenuto evaluate` on data that changed since the training: no clip that the run learned from is tested on."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tenuto.cli import main
from tenuto.data.clips import Clip, make_table
from tenuto.data.splits import Parts
from tenuto.training.runs import RunFolder, clip_name, note_clips, noted_clips
from training.sounds import SMALL, make_sounds

QUICK = [*SMALL, "training.epochs=1"]


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    return make_sounds(tmp_path / "sounds")


@pytest.fixture
def run(sounds: Path, tmp_path: Path) -> Path:
    assert main(["train", str(sounds), "--out", str(tmp_path / "run"), *QUICK]) == 0
    return tmp_path / "run"


def parts(run: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads((run / "clips.json").read_text())
    return found


def heard(run: Path, sounds: Path, *more: str, code: int = 0) -> set[str]:
    """Names of the clips that `tenuto evaluate` tests on."""
    out = run.parent / "out"
    assert main(["evaluate", str(run), str(sounds), "--out", str(out), *more]) == code
    paths = [Path(line.split(",")[0]) for line in (out / "predictions.csv").read_text().splitlines()[1:]]
    return {path.relative_to(sounds).as_posix() for path in paths}


def test_the_parts_are_noted_by_name(run: Path, sounds: Path) -> None:
    noted = parts(run)
    assert {part: len(names) for part, names in noted.items()} == {"train": 12, "valid": 6, "test": 6}
    assert {name for names in noted.values() for name in names} == {
        path.relative_to(sounds).as_posix() for path in sounds.rglob("*.wav")
    }
    assert heard(run, sounds) == set(noted["test"])


def test_a_new_file_is_tested_on_and_none_that_was_learned(
    run: Path, sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(sounds / "low" / "0.wav", sounds / "low" / "new.wav")
    capsys.readouterr()
    assert heard(run, sounds) == {*parts(run)["test"], "low/new.wav"}
    told = "7 of 25 clips: those that this run did not learn from (files, labels, folds or parts changed since); "
    assert capsys.readouterr().err == f"{told}--split all: every clip\n"
    moved = tmp_path / "elsewhere" / "sounds"
    shutil.copytree(sounds, moved)
    assert heard(run, moved) == {*parts(run)["test"], "low/new.wav"}
    for part, names in parts(run).items():
        assert heard(run, sounds, "--split", part) == set(names)
        assert f"the {part} part of this run (files, labels" in capsys.readouterr().err
    assert len(heard(run, sounds, "--split", "all")) == 25


def test_a_file_that_went_or_broke(run: Path, sounds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noted = parts(run)
    (sounds / noted["train"][0]).unlink()
    assert heard(run, sounds) == set(noted["test"])
    (sounds / noted["test"][0]).write_bytes(b"no sound")
    assert heard(run, sounds, code=3) == set(noted["test"][1:])
    for name in noted["test"]:
        (sounds / name).unlink()
    capsys.readouterr()
    assert main(["evaluate", str(run), str(sounds)]) == 2
    err = capsys.readouterr().err
    assert (
        err == "tenuto: sounds: no clip that this run did not learn from: --split all evaluates every clip without it\n"
    )


def test_a_run_that_noted_nothing_says_so(run: Path, sounds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "clips.json").unlink()
    n_before = len(heard(run, sounds))  # of data that did not change the parts are split again
    (sounds / "low" / "0.wav").unlink()
    capsys.readouterr()
    assert (n_before, len(heard(run, sounds))) == (6, 23)
    err = capsys.readouterr().err
    assert err.startswith(
        "note: sounds is not as it was when this run was trained: which clips it learned from was not"
    )
    assert err.count("\n") == 1
    assert main(["evaluate", str(run), str(sounds), "--split", "test"]) == 2
    assert "sounds: changed since this run was trained, which did not note its test part" in capsys.readouterr().err


def test_a_note_that_cannot_be_read(run: Path, sounds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sounds / "low" / "0.wav").unlink()
    (run / "clips.json").write_text("{half")
    capsys.readouterr()
    assert main(["evaluate", str(run), str(sounds)]) == 1
    err = capsys.readouterr().err
    assert err.endswith("): --split all evaluates every clip without it\n")
    assert err.count("\n") == 1


def test_a_name_that_is_no_text_can_be_noted(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.wav")
    clips = (Clip(path, ("a",)), Clip(tmp_path / "é.wav", ("b",)))
    table = make_table(clips, "sounds", tmp_path)
    run = RunFolder(tmp_path / "run")
    note_clips(run, table, Parts(clips[:1], (), clips[1:], table.labels, False))
    assert noted_clips(run) == {"train": {clip_name(table, path)}, "valid": set(), "test": {"é.wav"}}


def test_other_data_of_the_same_name(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = make_sounds(tmp_path / "other" / "sounds", n_a_class=4)
    for path in other.rglob("*.wav"):
        path.rename(path.with_stem(f"other{path.stem}"))
    capsys.readouterr()
    assert len(heard(run, other)) == 12
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("text", ["{", "[]", '{"train": 5}', '{"train": [5]}'])
def test_notes_that_are_damaged_are_one_line(
    sounds: Path, run: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (run / "clips.json").write_text(text)
    (sounds / "low" / "1.wav").unlink()
    assert main(["evaluate", str(run), str(sounds)]) == 1
    assert "clips.json" in capsys.readouterr().err.splitlines()[-1]
