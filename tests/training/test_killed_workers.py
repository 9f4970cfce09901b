"""A process that makes batches and is killed is one line, wherever the program is when it hears of it."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data._utils import signal_handling

from tenuto.data.clips import ClipTable
from tenuto.data.sets import find_clips
from tenuto.errors import WorkError
from tenuto.models.build import build_classifier
from tenuto.models.classifier import Classifier
from tenuto.training import evaluate
from tenuto.training.evaluate import evaluate_model
from tenuto.training.fit import fit
from tenuto.training.module import TrainingModule
from tenuto.training.recipe import Recipe
from tenuto.training.state import save_weights
from training.sounds import make_sounds, small_recipe

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
    # Where two processes are killed PyTorch tells twice, the second time maybe in the end of a loader.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("as_in_a_fresh_process"),
]
TOLD = r"^one of the processes that read audio was killed, .*: set data\.workers=0, or fewer than there were$"


@pytest.fixture
def as_in_a_fresh_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PyTorch listens to the end of processes once a program, and Lightning ends that with its first training."""
    gc.collect()  # PyTorch tells of the killed one in whatever runs: not in the end of another test's loader
    before = signal.getsignal(signal.SIGCHLD)
    monkeypatch.setattr(signal_handling, "_SIGCHLD_handler_set", False)
    yield
    signal.signal(signal.SIGCHLD, before)


@pytest.fixture
def table(tmp_path: Path) -> ClipTable:
    return find_clips(make_sounds(tmp_path / "sounds"))


def killed(*args: Any) -> None:
    """Kills the processes that make batches and computes until PyTorch raises."""
    for process in multiprocessing.active_children():
        os.kill(process.pid or 0, signal.SIGKILL)
    for _ in range(1000):
        time.sleep(0.01)
    pytest.fail("nothing was raised")


def recipe_of_one_worker() -> Recipe:
    return small_recipe("data.workers=1", "data.cache_mb=0", "training.epochs=1", "data.batch_size=2")


def test_in_a_training_step(table: ClipTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TrainingModule, "training_step", killed)
    with pytest.raises(WorkError, match=TOLD):
        fit(recipe_of_one_worker(), table, tmp_path / "run")


def test_in_the_validation(table: ClipTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Classifier, "probabilities", killed)
    with pytest.raises(WorkError, match=TOLD):
        fit(recipe_of_one_worker(), table, tmp_path / "run")


def test_in_an_evaluation(table: ClipTable, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small_recipe()
    classifier = build_classifier(recipe.frontend, recipe.model, table.labels, table.multi_label)
    monkeypatch.setattr(evaluate, "choose_workers", lambda *_: 1)
    monkeypatch.setattr(Classifier, "probabilities", killed)
    with pytest.raises(WorkError, match=TOLD):
        evaluate_model(classifier, table, batch_size=1)


def test_while_a_checkpoint_is_written_it_is_not_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def save(*args: Any) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(RuntimeError, match=r"^DataLoader worker"):
        save_weights({}, tmp_path / "best.ckpt")
