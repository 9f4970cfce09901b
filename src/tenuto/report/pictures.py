"""What was kept of a clip, as a picture: the paper's Figure 4, and several clips side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from tenuto.report.panels import (
    ROUND_STEPS,
    ClipPicture,
    draw_channel,
    draw_importance,
    draw_spectrogram,
    draw_threads,
    frequency_axis,
)
from tenuto.report.style import COLOURS, FAINT, PAGE_WIDTH, SHADE, fit, new_figure, styled
from tenuto.report.words import counted

# Of the figure's width: where all panels begin and end, so that their times line up.
_LEFT, _RIGHT, _BAR, _SIDE = 0.085, 0.905, 0.013, 0.988
# Inches: of each panel, and of the gap under it.
_PANEL = {"spectrogram": 1.15, "importance": 0.72, "threads": 0.38, "channel": 0.95}
_GAP = {"spectrogram": 0.4, "importance": 0.0, "threads": 0.0, "channel": 0.07}
_TOP, _NOTE, _BOTTOM = 0.3, 0.14, 0.42
_SMALL_HEIGHT, _SMALL_TOP, _SMALL_BOTTOM = 2.45, 0.28, 0.42


def explanation(picture: ClipPicture) -> Figure:
    """The paper's Figure 4: the input, its importance (empty frames shaded), where time goes and, on a shaded
    ground, what the classifier sees, the kept frames' own times below it. Without importance: the input."""
    has_importance = picture.importance is not None
    names = ["spectrogram"]
    if has_importance:
        names += ["importance", "threads", *["channel"] * len(picture.channels)]
    with styled():
        figure, axes = _stack(names, n_notes=len(picture.notes))
        image = draw_spectrogram(axes[0], picture)
        axes[0].set_xlabel("time (s)", labelpad=1)
        _colour_bar(figure, axes[0], image)
        _write_aside(figure, axes[0], axes[0], picture.unit, FAINT)
        if has_importance:
            _draw_what_is_kept(figure, axes[1:], picture)
        _write_head(figure, axes[0], picture)
    return figure


def comparison(pictures: Sequence[ClipPicture], n_columns: int = 2) -> Figure:
    """Several clips side by side: of each the input, its importance, and its first channel as kept."""
    n_columns = min(n_columns, len(pictures))
    n_rows = -(-len(pictures) // n_columns)
    height = n_rows * (_SMALL_HEIGHT + _SMALL_TOP + _SMALL_BOTTOM)
    with styled():
        figure = new_figure(PAGE_WIDTH, height)
        grid = figure.add_gridspec(
            n_rows, n_columns, left=0.088, right=0.985, wspace=0.13, top=1 - _SMALL_TOP / height,
            bottom=_SMALL_BOTTOM / height, hspace=(_SMALL_TOP + _SMALL_BOTTOM) / _SMALL_HEIGHT,
        )  # fmt: skip
        for number, picture in enumerate(pictures):
            row, column = divmod(number, n_columns)
            axes = _draw_small(figure, grid[row, column], picture)
            for place in axes:
                place.yaxis.set_label_coords(-0.052 * n_columns, 0.5)
                place.set_ylabel(place.get_ylabel() if column == 0 else "")
    return figure


def _draw_what_is_kept(figure: Figure, axes: Sequence[Axes], picture: ClipPicture) -> None:
    draw_importance(axes[0], picture)
    axes[0].tick_params(labelbottom=False, bottom=False)
    axes[0].legend(loc="lower right", bbox_to_anchor=(1.0, 0.99), ncols=2, frameon=False, borderpad=0.0)
    draw_threads(axes[1], picture)
    for place, name in zip(axes[2:], picture.channels, strict=True):
        _colour_bar(figure, place, draw_channel(place, name, picture))
        place.tick_params(labelbottom=place is axes[-1])
    which = "the one kept frame" if picture.n_kept == 1 else f"each of the {picture.n_kept} kept frames"
    axes[-1].set_xlabel(f"time that {which} comes from (s)", labelpad=2)
    _shade_classifier_input(figure, axes[2], axes[-1])


def _draw_small(figure: Figure, cell: Any, picture: ClipPicture) -> list[Axes]:
    """-> the axes, from the top."""
    parts = cell.subgridspec(4, 1, height_ratios=[1.0, 0.55, 0.3, 0.9], hspace=0.0)
    n_panels = 4 if picture.importance is not None else 1
    axes: list[Axes] = [figure.add_subplot(parts[i, 0]) for i in range(n_panels)]
    draw_spectrogram(axes[0], picture)
    frequency_axis(axes[0], picture.band_hz, picture.spectrogram.shape[0], least_share=0.19)
    fit(axes[0].set_title(picture.title, loc="left", pad=3, fontsize=8), axes[0].get_position().x1)
    if picture.importance is None:
        which = "its one frame" if picture.n_frames == 1 else f"all {picture.n_frames} frames"
        axes[0].set_xlabel(f"time (s), {which}", labelpad=2)
        return axes
    axes[0].tick_params(labelbottom=False, bottom=False)
    draw_importance(axes[1], picture)
    axes[1].set_yticks([0, 0.5], ["0", "0.5"])
    axes[1].xaxis.set_ticks_position("top")
    axes[1].tick_params(labeltop=False, length=2)
    draw_threads(axes[2], picture)
    name = next(iter(picture.channels))
    draw_channel(axes[3], name, picture, n_ticks=7)
    frequency_axis(axes[3], picture.band_hz, picture.channels[name].shape[0], least_share=0.19)
    axes[3].set_xlabel(f"time (s), {counted(picture.n_frames, 'frame')} → {picture.n_kept} kept", labelpad=2)
    return axes


def _stack(names: Sequence[str], n_notes: int) -> tuple[Figure, list[Axes]]:
    """Axes one under the other, edges aligned so that time lines up; -> figure, axes in order."""
    top = _TOP + _NOTE * n_notes
    height = top + _BOTTOM + sum(_PANEL[name] + _GAP[name] for name in names) - _GAP[names[-1]]
    figure = new_figure(PAGE_WIDTH, height)
    axes, upper = [], height - top
    for name in names:
        place = (_LEFT, (upper - _PANEL[name]) / height, _RIGHT - _LEFT, _PANEL[name] / height)
        axes.append(figure.add_axes(place))
        axes[-1].yaxis.set_label_coords(-0.062, 0.5)
        upper -= _PANEL[name] + _GAP[name]
    return figure, axes


def _colour_bar(figure: Figure, axes: Axes, image: AxesImage) -> None:
    box = axes.get_position()
    place = figure.add_axes((box.x1 + 0.009, box.y0, _BAR, box.height))
    figure.colorbar(image, cax=place)
    place.yaxis.set_major_locator(MaxNLocator(3, steps=ROUND_STEPS))
    place.tick_params(length=2)


def _shade_classifier_input(figure: Figure, first: Axes, last: Axes) -> None:
    """The paper's shaded ground: what lies on it is all that the classifier gets."""
    top = first.get_position().y1 + 0.06 / figure.get_size_inches()[1]
    ground = Rectangle((0.004, 0.004), 0.992, top - 0.004, facecolor=SHADE, zorder=-1)
    ground.set_transform(figure.transFigure)
    figure.patches.append(ground)
    _write_aside(figure, first, last, "classifier input", COLOURS[0])


def _write_aside(figure: Figure, first: Axes, last: Axes, text: str, colour: str) -> None:
    """Text up the right-hand side, beside the panels from `first` to `last`."""
    middle = (first.get_position().y1 + last.get_position().y0) / 2
    figure.text(_SIDE, middle, text, rotation=270, ha="right", va="center", fontsize=7.5, color=colour)


def _write_head(figure: Figure, axes: Axes, picture: ClipPicture) -> None:
    height = figure.get_size_inches()[1]
    top = axes.get_position().y1
    for i, note in enumerate(reversed(picture.notes)):
        figure.text(_LEFT, top + (0.05 + _NOTE * i) / height, note, fontsize=7.5, color=FAINT, va="bottom")
    above_notes = top + (0.07 + _NOTE * len(picture.notes)) / height
    fit(figure.text(_LEFT, above_notes, picture.title, fontsize=9, weight="bold", va="bottom"), _SIDE)
