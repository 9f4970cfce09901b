"""Figure 4: what `tenuto explain` draws, of given files and a trained run."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tenuto.experiments.figures.request import Drawn, Request
from tenuto.experiments.figures.shown import Shown, clips_of, load_run
from tenuto.inference.explain import explain
from tenuto.inference.explanation import Explanation
from tenuto.models.classifier import Classifier
from tenuto.report.plots import explanation, save

N_LABELS = 2  # in a title


def draw(request: Request, say: Callable[[str], None]) -> Drawn:
    """A picture a clip: NAME.png, or with several NAME_1_CLIP.png and so on."""
    path, shown = request.picture, clips_of(request, 1)
    model = load_run(request, "DiffRes", "diffres")
    found = [titled(model, each) for each in shown]
    paths = _paths(path, shown)
    written = [save(explanation(each.picture), path) for each, path in zip(found, paths, strict=True)]
    lines = [line for each in found for line in (each.picture.title, *each.picture.notes)]
    return Drawn("\n".join(lines), written, clips_value(shown, found))


def titled(model: Classifier, shown: Shown) -> Explanation:
    """What the model makes of a clip, under what is said in it where that is known, and the model's first answers."""
    found = explain(model, shown.path)
    heard = ", ".join(f"{label} {score:.2f}" for label, score in found.scores[:N_LABELS])
    title = f"{shown.name}; heard: {heard}"
    return replace(found, picture=replace(found.picture, title=title))


def clips_value(shown: Sequence[Shown], found: Sequence[Explanation]) -> dict[str, Any]:
    """For JSON: of each clip its file, frames, kept frames and the model's answers."""
    rows = []
    for each, told in zip(shown, found, strict=True):
        frames = {"frames": told.picture.n_frames, "kept": told.picture.n_kept}
        rows.append({"path": str(each.path), "label": each.label, **frames, "scores": dict(told.scores)})
    return {"clips": rows}


def _paths(picture: Path, shown: Sequence[Shown]) -> list[Path]:
    if len(shown) == 1:
        return [picture]
    names = [re.sub(r"[^\w.+-]", "_", each.label or each.path.stem) for each in shown]
    return [picture.with_name(f"{picture.stem}_{i}_{name}{picture.suffix}") for i, name in enumerate(names, start=1)]
