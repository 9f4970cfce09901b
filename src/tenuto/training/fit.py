"""One training, from a recipe and a clip table to a run folder; the same call goes on after an interruption."""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import Callback, Trainer

from tenuto.data.batching import ClipDataset, told_of_killed_workers
from tenuto.data.check import Report, check_clips
from tenuto.data.check import fingerprint as describe_data
from tenuto.data.clips import ClipTable
from tenuto.data.identity import fingerprint
from tenuto.data.splits import LeftOut, Parts, check_fold, split
from tenuto.errors import UsageError
from tenuto.files import write_json
from tenuto.models import checkpoint
from tenuto.models.build import build_classifier
from tenuto.models.classifier import Classifier
from tenuto.training.batches import batches_to_score, batches_to_train, check_device, datasets, on_gpu
from tenuto.training.callbacks import EpochEnd
from tenuto.training.evaluate import results, score, valid_frames
from tenuto.training.module import TrainingModule
from tenuto.training.progress import ProgressBar, Say
from tenuto.training.recipe import Recipe, check_seed
from tenuto.training.runs import RunFolder, amend, amend_left_out, check_own, claim, note_clips, told_left_out
from tenuto.training.state import TrainingState, load_state, load_weights
from tenuto.training.tables import plain, write_tables


def quiet(line: str) -> None:
    """Says nothing."""


def fit(
    recipe: Recipe,
    table: ClipTable,
    folder: str | PathLike[str],
    fold: str | None = None,
    seed: int = 0,
    *,
    report: Report | None = None,
    say: Say = quiet,
    bar: bool = False,
) -> dict[str, Any]:
    """Trains a classifier, tests it and fills the run folder; returns what metrics.json holds.

    A finished run returns at once. An interrupted one goes on after its last finished epoch and ends (on the CPU)
    with the result it would have had. The validation part alone chooses the model.

    Args:
        fold: the fold to test on; None: the table's own split, or a random share
        report: of `check_clips` on this table, where several trainings share it
        say: is told a line an epoch, and of every clip left out
    Raises:
        UsageError: the folder holds another run, no such fold, seed or device, a recipe that does not fit the data
        WorkError: no usable clips, a loss that is no number, a folder that cannot be written, a killed process
    """
    run = RunFolder(Path(folder))
    if recipe.training.threads is not None:
        torch.set_num_threads(recipe.training.threads)
    if table.multi_label and recipe.training.loss == "ce":
        raise UsageError("training.loss=ce is for one label a clip, and clips here have several: use training.loss=bce")
    check_fold(table, fold)
    check_seed(seed)
    if not run.metrics.exists():  # what is finished needs no device
        check_device(recipe)
    identity = {"source": table.name, "fold": fold, "seed": seed, "data": fingerprint(table)}
    finished = claim(run, recipe, identity)
    if finished is not None:
        return finished
    if report is None:
        report = check_clips(table.clips)
        tell_left_out(report.left_out, say)
    parts = split(report.usable(table), fold, recipe.data.valid_share, seed)
    check_own(run, recipe, identity)  # another process may have taken the folder while the files were checked
    note_clips(run, table, parts)
    plan = _announce(run, recipe, table, parts, report, say)
    torch.manual_seed(seed)
    classifier = _build(recipe, parts)
    state = load_state(run.last) if run.last.exists() else TrainingState()
    data = datasets(parts, plan, report, say)
    with told_of_killed_workers():
        if not state.finished:
            check_own(run, recipe, identity)
            _train(classifier, plan, seed, state, data, run, say, bar)
        classifier.load_state_dict(load_weights(run.best if plan.training.choose == "best" else run.last))
        found: dict[str, Any] = plain(_conclude(classifier, plan, state, data["test"], run))
    amend_left_out(run, [each for part in data.values() for each in part.left_out])
    write_json(run.metrics, found)
    return found


def tell_left_out(left_out: Sequence[LeftOut], say: Say) -> None:
    """Names every file that is left out, and why."""
    for each in left_out:
        say(f"left out: {each.path}: {each.reason}")
    if left_out:
        say(f"{len(left_out)} clips left out")


def _announce(run: RunFolder, recipe: Recipe, table: ClipTable, parts: Parts, report: Report, say: Say) -> Recipe:
    """Notes in run.json what is trained and tested on; the recipe, taking the last epoch where nothing validates."""
    left_out = [*report.left_out, *parts.left_out]
    tell_left_out(parts.left_out, say)
    notes = [*table.notes, *report.warnings, *parts.notes]
    if not parts.valid and recipe.training.choose == "best":
        notes.append("too few clips for a validation part: the last epoch's model is taken")
        recipe = replace(recipe, training=replace(recipe.training, choose="last", patience=None))
    for note in notes:
        say(f"note: {note}")
    sizes = {"train": len(parts.train), "valid": len(parts.valid), "test": len(parts.test)}
    chosen_by = "the validation part" if recipe.training.choose == "best" else "nothing: the last epoch"
    data_set = describe_data(table, report)
    amend(run, data_set=data_set, clips=sizes, model_chosen_by=chosen_by, notes=notes, left_out=told_left_out(left_out))
    say(f"{table.name}: {sizes['train']} clips to train on, {sizes['valid']} to validate, {sizes['test']} to test")
    return recipe


def _build(recipe: Recipe, parts: Parts) -> Classifier:
    activation: Literal["sigmoid", "softmax"] = "softmax" if recipe.training.loss == "ce" else "sigmoid"
    classifier = build_classifier(recipe.frontend, recipe.model, parts.labels, parts.multi_label, activation)
    classifier.clip_seconds = recipe.data.clip_seconds  # prediction cuts long recordings by it
    return classifier


def _train(
    classifier: Classifier,
    recipe: Recipe,
    seed: int,
    state: TrainingState,
    data: dict[str, ClipDataset],
    run: RunFolder,
    say: Say,
    bar: bool,
) -> None:
    """Trains from `state` to the end; Lightning sees the remaining epochs only."""
    settings = recipe.training
    # Clips of many lengths are as many shapes; oneDNN keeps kernels of 1024 and makes the rest anew each time.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "8192")
    if state.epoch:
        say(f"going on after epoch {state.epoch} of {settings.epochs}")
        classifier.load_state_dict(state.model)
    train = batches_to_train(data["train"], recipe, seed, say)
    valid = batches_to_score(classifier, data["valid"], recipe, on_gpu(recipe)) if len(data["valid"]) else None
    module = TrainingModule(classifier, recipe, seed, state, train)
    end = EpochEnd(run, valid, classifier.multi_label, settings.epochs, say)
    callbacks: list[Callback] = [end, ProgressBar(settings.epochs, end.metric)] if bar else [end]
    with _calm_lightning():
        trainer = Trainer(
            max_epochs=settings.epochs - state.epoch,
            accelerator=settings.device,
            devices=1,
            precision=settings.precision,
            callbacks=callbacks,
            default_root_dir=run.root,
            use_distributed_sampler=False,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        if state.precision:
            trainer.precision_plugin.load_state_dict(state.precision)
        trainer.fit(module)
    classifier.cpu()


def _conclude(
    classifier: Classifier, recipe: Recipe, state: TrainingState, test: ClipDataset, run: RunFolder
) -> dict[str, Any]:
    """Tests, and writes tables and the model; returns the figures of metrics.json."""
    scores = score(classifier, batches_to_score(classifier, test, recipe), recipe.training.loss)
    found = results(scores, test, classifier)
    write_tables(run.root, scores, test, classifier, found, valid_frames(classifier, test, scores.indices))
    by_validation = recipe.training.choose == "best"
    found |= {
        "epochs": state.epoch,
        "epoch_of_model": state.best_epoch if by_validation else state.epoch,
        "model_chosen_by": "validation" if by_validation else "last epoch",
        "training_seconds": state.seconds,
        "parameters": sum(p.numel() for p in classifier.parameters()),
    }
    checkpoint.save(classifier, run.root, plain({key: found[key] for key in ("accuracy", "mAP", "epoch_of_model")}))
    return found


@contextmanager
def _calm_lightning() -> Iterator[None]:
    """No advertisements from Lightning; its way of leaving at Ctrl-C (exit code 1, deaf to more) is undone."""
    logger = logging.getLogger("lightning.pytorch")
    level, handler = logger.level, signal.getsignal(signal.SIGINT)
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    finally:
        logger.setLevel(level)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
