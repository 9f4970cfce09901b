"""Clips that a grid cannot use are named on its page and on standard error, with exit code 3, however it came to be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from experiments.records import record
from tenuto.cli import main
from tenuto.experiments.grid import Cell
from tenuto.experiments.left_out import left_out_lines
from tenuto.experiments.store import Store

Capture = pytest.CaptureFixture[str]
SETTINGS = ("--backbone", "sbcnn", "--seeds", "0", "--epochs", "1", "--threads", "1")
LINES = [
    "own: high/empty.wav: empty (0 bytes)",
    "own: low/broken.wav: not audio (begins with b'no sound')",
]


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Class folders of tones, low and high, each with a file that is none."""
    folder = tmp_path / "sounds"
    t = np.arange(3200) / 16000
    for label, hz in (("high", 2000), ("low", 300)):
        (folder / label).mkdir(parents=True)
        for i in range(4):
            soundfile.write(folder / label / f"{i}.wav", 0.3 * np.sin(2 * np.pi * hz * (1 + 0.01 * i) * t), 16000)
    (folder / "low" / "broken.wav").write_bytes(b"no sound")
    (folder / "high" / "empty.wav").touch()
    return folder


def names_them(code: int, capsys: Capture, page: Path) -> None:
    """A call that ended with `code` named both clips, where a person looks and where a program does."""
    assert code == 3
    told = capsys.readouterr()
    assert [line for line in told.err.splitlines() if line.startswith("left out: ")] == [
        f"left out: {x}" for x in LINES
    ]
    for text in (told.out, page.with_suffix(".txt").read_text()):
        assert [line for line in text.splitlines() if line.startswith("Left out: ")] == [
            f"Left out: {x}" for x in LINES
        ]
    assert all(f"- Left out: {line}\n" in page.with_suffix(".md").read_text() for line in LINES)


def test_clips_left_out_of_a_table_are_named(sounds: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    call = ["reproduce", "table1", "--data", f"own={sounds}", "--methods", "diffres", "--fps", "25", *SETTINGS]
    names_them(main([*call, "--out", str(out)]), capsys, out / "table1")
    assert str(tmp_path) not in "".join(path.read_text() for path in (out / "cells").iterdir())
    names_them(main([*call, "--out", str(out)]), capsys, out / "table1")  # all is done
    names_them(main(["reproduce", "table1", "--out", str(out)]), capsys, out / "table1")  # only the page is made
    names_them(main(["reproduce", "figure6", "--out", str(out)]), capsys, out / "figure6")
    assert main(["reproduce", "table1", "--out", str(out), "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["left_out"] == LINES
    soundfile.write(sounds / "low" / "9.wav", np.full(1600, 0.1), 16000)
    assert main([*call, "--out", str(out)]) == 2  # other clips are no answer to this call
    assert "of other data under the same name" in capsys.readouterr().err


def test_they_are_named_where_every_training_failed(sounds: Path, tmp_path: Path, capsys: Capture) -> None:
    for path in (sounds / "low").glob("[1-9].wav"):
        path.unlink()
    (sounds / "low" / "0.wav").write_bytes(b"no sound")
    call = ["reproduce", "table1", "--data", f"own={sounds}", "--methods", "diffres", "--fps", "25", *SETTINGS]
    assert main([*call, "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert "own: 3 clips left out (the page names them)" in told
    assert all(f"left out: {line}" in told for line in LINES)
    assert "no usable training clip of 'low'" in told


def test_data_of_which_nothing_can_be_used_names_the_first(sounds: Path, tmp_path: Path, capsys: Capture) -> None:
    for path in sounds.glob("*/*.wav"):
        path.write_bytes(b"")
    assert main(["reproduce", "table1", "--data", f"own={sounds}", *SETTINGS, "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert told == f"tenuto: own: not one clip of {sounds} can be used (first: high/0.wav: empty (0 bytes))\n"


def test_each_clip_is_named_once_whatever_trainings_left_it_out() -> None:
    cells = [Cell("mine", "diffres", 25, "fixed", "all", seed) for seed in (0, 1)]
    left_out = [{"path": "a.wav", "reason": "silent"}]
    made = [record(cell, 0.5, left_out=left_out) for cell in cells]
    assert left_out_lines(made) == ["mine: a.wav: silent"]
    assert left_out_lines(made, ["mine: a.wav: silent", "mine: b.wav: missing"]) == [
        "mine: a.wav: silent",
        "mine: b.wav: missing",
    ]
    assert left_out_lines([record(cells[0], 0.5)]) == []  # stored before this was kept


def test_a_grid_that_left_nothing_out_is_done(tmp_path: Path, capsys: Capture) -> None:
    cell = Cell("mine", "diffres", 25, "fixed", "all", 0)
    Store(tmp_path).write(cell.name, record(cell, 0.5, left_out=[]))
    assert main(["reproduce", "table1", "--out", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert (told.err, "Left out" in told.out) == ("", False)
