"""The look all pictures share: sizes for a paper's page, colours that every eye tells apart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from tenuto.errors import UsageError
from tenuto.files import atomic_write

PAGE_WIDTH = 7.0  # inches: the text width of a two-column paper
COLUMN_WIDTH = 3.4  # inches: one of its columns
PICTURE_SUFFIXES = (".png", ".svg", ".pdf")
_MOST_CHARACTERS = 200  # more of the narrowest do not fit on a page

# Okabe and Ito (2008), "Color Universal Design", without the yellow, which white paper swallows.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#555555")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK = "#222222"
FAINT = "#8A8A8A"
SHADE = "#E9EFF5"

_SETTINGS: Any = {
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "text.parse_math": False,  # file names and labels carry dollars and underscores of their own
    "svg.hashsalt": "tenuto",  # the same data give the same SVG
}


def styled() -> Any:
    """A context in which every new artist takes the house's settings, and matplotlib's own stay untouched."""
    return rc_context(_SETTINGS)


def new_figure(width: float, height: float, **options: Any) -> Figure:
    """An empty figure of width x height inches on an Agg canvas: no display, no global state."""
    figure = Figure(figsize=(width, height), facecolor="white", **options)
    FigureCanvasAgg(figure)
    return figure


def plain_axes(axes: Axes) -> Axes:
    """Takes away the top and right spine and lays a faint grid under the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, color="#DDDDDD", linewidth=0.5)
    axes.set_axisbelow(True)
    return axes


def shorten(text: str, n_characters: int) -> str:
    """`text` in at most `n_characters`, its middle left out: a file name's end tells as much as its start."""
    if len(text) <= n_characters:
        return text
    n_tail = (n_characters - 1) // 2
    return text[: n_characters - 1 - n_tail] + "…" + text[len(text) - n_tail :]


def fit(text: Text, right: float) -> None:
    """Leaves out of a text's middle what it takes to end before `right`, a share of the figure's width.

    How wide letters are only drawing tells: a hundred of them are 4 inches or 10.
    """
    whole, figure = text.get_text(), text.figure
    assert figure is not None, "a text is fitted where it stands"
    n_characters = min(len(whole), _MOST_CHARACTERS)
    text.set_text(shorten(whole, n_characters))
    while n_characters > 1 and text.get_window_extent().x1 > right * figure.bbox.width:
        n_characters -= 1
        text.set_text(shorten(whole, n_characters))


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Writes the figure as its suffix says (.png, .svg, .pdf), atomically.

    Raises:
        UsageError: for any other suffix.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in PICTURE_SUFFIXES:
        wanted = ", ".join(PICTURE_SUFFIXES)
        raise UsageError(f"{target}: a picture ends in one of {wanted}, not in {suffix or 'nothing'}")
    with styled(), atomic_write(target) as beside:
        metadata = {"Date": None} if suffix == ".svg" else None
        figure.savefig(beside, format=suffix[1:], dpi=200, metadata=metadata)
    return target
