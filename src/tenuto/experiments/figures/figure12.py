"""Figures 12 and 13: what a run keeps of several clips of a data set, side by side."""

from __future__ import annotations

from collections.abc import Callable

from tenuto.experiments.figures.figure4 import clips_value, titled
from tenuto.experiments.figures.request import Drawn, Request
from tenuto.experiments.figures.shown import clips_of, load_run
from tenuto.report.plots import comparison, save

N_CLIPS, MAX_CLIPS = 6, 40


def draw(request: Request, say: Callable[[str], None]) -> Drawn:
    """Two columns of clips: of each the input, its importance, where time goes, and the first channel as kept."""
    path, shown = request.picture, clips_of(request, N_CLIPS, MAX_CLIPS)
    model = load_run(request, "DiffRes", "diffres")
    found = [titled(model, each) for each in shown]
    save(comparison([each.picture for each in found]), path)
    return Drawn("\n".join(each.picture.title for each in found), [path], clips_value(shown, found))
