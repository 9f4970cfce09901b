"""The tables of a run folder: figures of each class, confusions, and what was said of each clip."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from tenuto.data.batching import ClipDataset
from tenuto.files import write_text
from tenuto.models.classifier import Classifier
from tenuto.training import metrics

if TYPE_CHECKING:
    from tenuto.training.evaluate import Scores

TRUTH = "label \\ predicted"  # head of the first column of confusion.csv; no class is called so


def write_tables(
    folder: Path, scores: Scores, clips: ClipDataset, classifier: Classifier, found: Mapping[str, Any], valid: Tensor
) -> None:
    """per_class.csv, confusion.csv and predictions.csv into `folder`; valid: (clip,) frames of sound."""
    labels, multi_label = classifier.labels, classifier.multi_label
    write_csv(folder / "per_class.csv", found["per_class"])
    write_csv(folder / "confusion.csv", confusion_rows(scores, labels, multi_label))
    write_csv(folder / "predictions.csv", prediction_rows(scores, clips, classifier, valid))


def confusion_rows(scores: Scores, labels: Sequence[str], multi_label: bool) -> list[dict[str, Any]]:
    """A row a label: clips by predicted label, or with several labels a clip the four counts of each."""
    if not multi_label:
        counts = metrics.confusion(scores.probabilities, scores.targets).tolist()
        return [{TRUTH: a, **dict(zip(labels, row, strict=True))} for a, row in zip(labels, counts, strict=True)]
    given, truth = metrics.predicted(scores.probabilities, True).bool(), scores.targets.bool()
    cells = {
        "true_positive": (given & truth).sum(0).tolist(),
        "false_positive": (given & ~truth).sum(0).tolist(),
        "false_negative": (~given & truth).sum(0).tolist(),
        "true_negative": (~given & ~truth).sum(0).tolist(),
    }
    return [{TRUTH: label, **{name: cells[name][i] for name in cells}} for i, label in enumerate(labels)]


def prediction_rows(scores: Scores, clips: ClipDataset, classifier: Classifier, valid: Tensor) -> list[dict[str, Any]]:
    """A row a clip: path, true and given labels, frames kept and valid, and the score of every label."""
    labels, rows = classifier.labels, []
    given = metrics.predicted(scores.probabilities, classifier.multi_label).bool().tolist()
    for i, index in enumerate(scores.indices.tolist()):
        values = [round(p, 6) for p in scores.probabilities[i].tolist()]
        row: dict[str, Any] = {"path": str(clips.clips[index].path), "label": ";".join(clips.clips[index].labels)}
        row["predicted"] = ";".join(label for label, on in zip(labels, given[i], strict=True) if on)
        row |= {"kept_frames": int(scores.n_kept[i]), "valid_frames": int(valid[i])}
        rows.append(row | {f"score:{label}": value for label, value in zip(labels, values, strict=True)})
    return rows


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes rows of the same keys, atomically; what is not defined (nan) stays empty."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: plain(value, "") for name, value in row.items()} for row in rows)
    write_text(path, text.getvalue())


def plain(value: Any, undefined: Any = None) -> Any:
    """`value` for JSON or CSV: nan and infinite numbers become `undefined`, at any depth."""
    if isinstance(value, dict):
        return {key: plain(each, undefined) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each, undefined) for each in value]
    return undefined if isinstance(value, float) and not math.isfinite(value) else value
