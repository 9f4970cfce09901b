"""Figure 9: mel-spectrogram, features of DiffRes and of ConvAvgPool of the same clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tenuto.experiments.figures.request import Drawn, Request
from tenuto.experiments.figures.shown import Shown, clips_of, load_run
from tenuto.inference.explain import explain
from tenuto.models.classifier import Classifier
from tenuto.report.panels import ClipPicture
from tenuto.report.spectrograms import features_side_by_side
from tenuto.report.style import save
from tenuto.report.words import counted

ROWS = ("mel-spectrogram", "DiffRes", "ConvAvgPool")
N_CLIPS, MAX_CLIPS = 2, 6


def draw(request: Request, say: Callable[[str], None]) -> Drawn:
    """A column a clip; of DiffRes the first channel, the mean, in the mel-spectrogram's colours."""
    path, shown = request.picture, clips_of(request, N_CLIPS, MAX_CLIPS)
    models = [load_run(request, "DiffRes", "diffres"), load_run(request, "ConvAvgPool", "convavgpool")]
    columns = [_column(models, each) for each in shown]
    save(features_side_by_side(columns, ROWS), path)
    lines, rows = [], []
    for each, column in zip(shown, columns, strict=True):
        kept = {row: picture.n_kept for row, (picture, channel) in zip(ROWS, column, strict=True) if channel}
        told = ", ".join(f"{row} keeps {n_kept}" for row, n_kept in kept.items())
        lines.append(f"{each.name}: {counted(column[0][0].n_frames, 'frame')}, of which {told}")
        rows.append({"path": str(each.path), "label": each.label, "frames": column[0][0].n_frames, "kept": kept})
    return Drawn("\n".join(lines), [path], {"clips": rows})


def _column(models: list[Classifier], shown: Shown) -> list[tuple[ClipPicture, str]]:
    """(picture, channel) of each row, "" for the input itself."""
    pictures = [replace(explain(model, shown.path).picture, title=shown.name) for model in models]
    return [(pictures[0], ""), *((picture, next(iter(picture.channels))) for picture in pictures)]
