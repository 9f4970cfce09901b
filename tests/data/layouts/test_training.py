"""A data set with missing and broken clips, from the command line to the run folder and the exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from data.layouts.test_audioset import EVAL, NAMES, make_audioset
from data.layouts.test_urbansound8k import make_urbansound8k
from tenuto.cli import main

SMALL = (
    *("frontend.n_mels=16", "training.epochs=1", "training.threads=1"),
    *("data.batch_size=4", "training.device=cpu", "data.workers=0"),
)


def test_a_part_of_audioset_trains_and_tells_what_was_not_there(tmp_path: Path) -> None:
    root = make_audioset(tmp_path / "AudioSet", {k: name for k, name in NAMES.items() if k != "bbbbbbbbbbb"})
    (root / NAMES["ccccccccccc"]).write_bytes(b"RIFF and nothing more")
    out = tmp_path / "run"
    assert main(["train", str(root), "--layout", "audioset", "--out", str(out), *SMALL]) == 3
    run = json.loads((out / "run.json").read_text())
    assert {Path(entry["path"]).name for entry in run["left_out"]} == {"Ybbbbbbbbbbb.wav", "ccccccccccc_30.wav"}
    assert "unbalanced_train_segments.csv: 2 of 3 clips are there" in run["notes"]
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["test_clips"] == len(EVAL)
    assert 0 <= metrics["mAP"] <= 1


def test_listed_by_a_process(tmp_path: Path) -> None:
    root = make_urbansound8k(tmp_path / "UrbanSound8K")
    command = [sys.executable, "-m", "tenuto.cli", "data", "check", str(root), "--layout", "urbansound8k", "--json"]
    (root / "audio" / "fold7" / "7003-3-0-0.wav").unlink()
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 3
    found = json.loads(ran.stdout)
    assert found["left_out"] == [{"path": "audio/fold7/7003-3-0-0.wav", "reason": "no such file"}]
    assert (found["n_clips"], found["n_usable"], len(found["folds"])) == (100, 99, 10)
