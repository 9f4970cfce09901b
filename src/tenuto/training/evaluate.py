"""Scores of a classifier on labelled clips, one code path for validation, the end of a training and `evaluate`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tenuto.data.audio import AudioFacts
from tenuto.data.batching import (
    Batch,
    ClipDataset,
    ClipLoader,
    choose_workers,
    evaluation_loader,
    told_of_killed_workers,
)
from tenuto.data.clips import Clip, ClipTable
from tenuto.data.splits import LeftOut
from tenuto.errors import UsageError, WorkError
from tenuto.files import write_json
from tenuto.frontend.lengths import n_frames
from tenuto.models.checkpoint import load
from tenuto.models.classifier import Classifier
from tenuto.training import metrics
from tenuto.training.losses import LossName, classification_loss
from tenuto.training.tables import plain, write_tables


@dataclass(frozen=True)
class Scores:
    """What a classifier said of clips, in their order: row i belongs to clip `indices[i]` of the data set."""

    probabilities: Tensor  # (clip, class) in [0, 1]
    targets: Tensor  # (clip, class) 0 or 1
    indices: Tensor  # (clip,)
    n_kept: Tensor  # (clip,) frames that reached the classifier
    loss: float  # mean over clips
    seconds: float  # from waveforms in memory to scores


@torch.no_grad()
def score(classifier: Classifier, batches: Iterable[Batch], loss: LossName = "bce") -> Scores:
    """Runs `classifier` over `batches` in evaluation mode, on the device it is on."""
    device = next(classifier.parameters()).device
    was_training = classifier.training
    classifier.eval()
    parts: list[tuple[Tensor, ...]] = []
    seconds = total_loss = 0.0
    for batch in batches:
        began = time.perf_counter()
        there = batch.to(device, non_blocking=True)
        output = classifier(there.waveforms, there.lengths)
        probabilities = classifier.probabilities(output.logits).float().cpu()
        seconds += time.perf_counter() - began
        total_loss += float(classification_loss(output.logits, there.targets, loss)) * len(batch.targets)
        parts.append((probabilities, batch.targets, batch.indices, output.resolution.lengths.cpu()))
    classifier.train(was_training)
    if not parts:
        raise WorkError("no clip to evaluate could be read")
    probabilities, targets, indices, kept = (torch.cat(part) for part in zip(*parts, strict=True))
    order = indices.argsort()
    loss_a_clip = total_loss / len(order)
    return Scores(probabilities[order], targets[order], indices[order], kept[order], loss_a_clip, seconds)


def evaluation_batches(
    classifier: Classifier, clips: ClipDataset, batch_size: int, workers: int | None = None, on_gpu: bool = False
) -> ClipLoader:
    """Batches of clips of which `classifier` keeps equally many frames, made by `workers` processes (None: see
    `choose_workers`)."""
    n_workers = choose_workers(workers, clips, batch_size, on_gpu)
    pin_memory = on_gpu and torch.cuda.is_available()
    return evaluation_loader(clips, batch_size, kept=classifier.frontend.kept, workers=n_workers, pin_memory=pin_memory)


def valid_frames(classifier: Classifier, clips: ClipDataset, indices: Tensor) -> Tensor:
    """Frames of the first spectrogram that sound fills, (clip,): padding and what was cropped do not count."""
    native = torch.tensor(clips.native_lengths)[indices]
    return n_frames(torch.minimum(native, torch.tensor(clips.lengths)[indices]), hop_length(classifier))


def hop_length(classifier: Classifier) -> int:
    """Samples from frame to frame before any resolution; of a larger hop too, frames are counted at the first one."""
    if classifier.settings is not None:
        return int(classifier.settings[0].hop_length)
    return int(classifier.frontend.filterbank.hop_length)


def results(scores: Scores, clips: ClipDataset, classifier: Classifier) -> dict[str, Any]:
    """Metrics, macro and per class, and what they cost.

    `kept_frames` reach the classifier, `valid_frames` hold sound, `input_frames` are they and the padding that a
    fixed clip length adds.
    """
    kept, valid = int(scores.n_kept.sum()), int(valid_frames(classifier, clips, scores.indices).sum())
    came = n_frames(torch.tensor(clips.lengths)[scores.indices], hop_length(classifier))
    given, targets, multi_label = scores.probabilities, scores.targets, classifier.multi_label
    return {
        **metrics.summary(given, targets, multi_label),
        "loss": scores.loss,
        "test_clips": len(targets),
        "kept_frames": kept,
        "valid_frames": valid,
        "input_frames": int(came.sum()),
        "kept_share": kept / valid,
        "test_seconds": scores.seconds,
        "clips_per_second": len(targets) / scores.seconds,
        "per_class": metrics.per_class(given, targets, classifier.labels, multi_label),
    }


@dataclass(frozen=True)
class Evaluation:
    """Figures as metrics.json has them, and clips that took no part."""

    figures: dict[str, Any]
    left_out: tuple[LeftOut, ...]


def evaluate_model(
    model: Classifier | str | PathLike[str],
    table: ClipTable,
    *,
    out: str | PathLike[str] | None = None,
    device: str = "cpu",
    batch_size: int = 32,
    facts: Mapping[Path, AudioFacts] | None = None,
) -> Evaluation:
    """Tests a classifier on all clips of `table`, the way the end of its training did.

    Args:
        model: a classifier, or the run or model folder it was saved in (then put on `device`)
        out: folder for metrics.json and the tables; None: nothing is written
        facts: of the files, where `check_clips` has looked at them
    Raises:
        UsageError: a table none of whose labels the model knows, or without a clip that fits the model
        WorkError: no clip could be read, or a process that reads was killed
    """
    classifier = model if isinstance(model, Classifier) else load(model, device=device)
    known, unknown = _known(table, classifier)
    clips = ClipDataset(known.clips, classifier.labels, classifier.sample_rate, classifier.clip_seconds, facts=facts)
    loss: LossName = "ce" if classifier.activation == "softmax" else "bce"
    on_gpu = next(classifier.parameters()).device.type != "cpu"
    with told_of_killed_workers():
        scores = score(classifier, evaluation_batches(classifier, clips, batch_size, on_gpu=on_gpu), loss)
    found = results(scores, clips, classifier)
    if out is not None:
        write_tables(Path(out), scores, clips, classifier, found, valid_frames(classifier, clips, scores.indices))
        write_json(Path(out) / "metrics.json", plain(found))
    return Evaluation(plain(found), (*unknown, *clips.left_out))


def _known(table: ClipTable, classifier: Classifier) -> tuple[ClipTable, tuple[LeftOut, ...]]:
    """The clips that the classifier can be right about, and the others: a model of one label a clip is right or
    wrong about clips of one label, which it has; a model of several about any."""
    labels = set(classifier.labels)
    if not labels.intersection(table.labels):
        theirs, own = (", ".join(names[:5]) for names in (table.labels, classifier.labels))
        raise UsageError(f"{table.name} has labels {theirs}, of which the model knows none: it knows {own}")
    if classifier.multi_label:
        return table, ()
    reasons = {clip: reason for clip in table.clips if (reason := _misfit(clip, labels))}
    good = tuple(clip for clip in table.clips if clip not in reasons)
    if not good:
        first = next(iter(reasons.values()))
        raise UsageError(f"{table.name}: no clip has one label that the model knows (of the first, {first})")
    return replace(table, clips=good), tuple(LeftOut(clip.path, reason) for clip, reason in reasons.items())


def _misfit(clip: Clip, labels: set[str]) -> str | None:
    """Why a model of one label a clip cannot be tested on this one."""
    if len(clip.labels) != 1:
        given = f"{len(clip.labels)} ({';'.join(clip.labels)})" if clip.labels else "none"
        return f"the model is for one label a clip, and this one has {given}"
    return None if clip.labels[0] in labels else f"the model has no label {clip.labels[0]!r}"
