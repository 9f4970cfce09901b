"""Spectrograms and features of several clips in a grid: a column a clip, a row a way to look at it."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tenuto.errors import UsageError
from tenuto.report.panels import ClipPicture, draw_channel, draw_spectrogram, frequency_axis
from tenuto.report.style import COLUMN_WIDTH, PAGE_WIDTH, new_figure, shorten, styled

_ROW_INCHES = 1.25
_N_TICKS = 12  # over all columns; of one alone half of them
_LEAST_SHARE = 0.15  # of an axis, between two of its frequencies


def spectrograms(columns: Sequence[Sequence[ClipPicture]], rows: Sequence[str]) -> Figure:
    """Figure 1: of each clip its spectrogram in several resolutions, all of a clip in the same colours.

    columns: clip -> its pictures, one a row; rows: what tells them apart, such as "40 ms hop".

    Raises:
        UsageError: where there is no clip.
    """
    with styled():
        figure, grid = _grid(len(columns), len(rows))
        for axes, pictures in zip(grid, columns, strict=True):
            for place, picture in zip(axes, pictures, strict=True):
                draw_spectrogram(place, picture).set_clim(*pictures[-1].colour_limits)
                frequency_axis(place, picture.band_hz, picture.spectrogram.shape[0], _LEAST_SHARE)
                place.tick_params(labelbottom=place is axes[-1])
            axes[-1].set_xlabel("time (s)")
        _write_heads(grid, [pictures[0].title for pictures in columns], rows)
    return figure


def features_side_by_side(columns: Sequence[Sequence[tuple[ClipPicture, str]]], rows: Sequence[str]) -> Figure:
    """Figure 9: of each clip its spectrogram and what several models make of it.

    columns: clip -> (picture, name of the channel to draw; "" for the picture's spectrogram), one a row.

    Raises:
        UsageError: where there is no clip.
    """
    with styled():
        figure, grid = _grid(len(columns), len(rows))
        n_ticks = max(2, _N_TICKS // max(2, len(columns)))
        for axes, column in zip(grid, columns, strict=True):
            for place, (picture, channel) in zip(axes, column, strict=True):
                if channel:
                    draw_channel(place, channel, picture, n_ticks=n_ticks)
                    place.texts[0].set_visible(False)  # the row says it
                else:
                    draw_spectrogram(place, picture)
                if place.get_ylabel() == "kHz":
                    frequency_axis(place, picture.band_hz, picture.spectrogram.shape[0], _LEAST_SHARE)
            axes[-1].set_xlabel("time (s)")
        _write_heads(grid, [column[0][0].title for column in columns], rows)
    return figure


def _grid(n_columns: int, n_rows: int) -> tuple[Figure, list[list[Axes]]]:
    """-> figure, axes by column and row."""
    if n_columns == 0 or n_rows == 0:
        raise UsageError("no spectrogram to draw: wanted at least one clip")
    width = COLUMN_WIDTH * 1.3 if n_columns == 1 else PAGE_WIDTH
    figure = new_figure(width, _ROW_INCHES * n_rows + 0.5, layout="constrained")
    places = figure.subplots(n_rows, n_columns, squeeze=False)
    return figure, [[places[row, column] for row in range(n_rows)] for column in range(n_columns)]


def _write_heads(grid: Sequence[Sequence[Axes]], titles: Sequence[str], rows: Sequence[str]) -> None:
    """Titles over the columns; what a row is before its first axis, with the unit of the axis."""
    n_characters = max(12, 66 // len(grid))
    for axes, title in zip(grid, titles, strict=True):
        axes[0].set_title(shorten(title, n_characters), loc="left")
        for place in axes:
            unit = place.get_ylabel()
            row = axes.index(place)
            place.set_ylabel(f"{rows[row]}\n{unit}" if axes is grid[0] else "")
