"""Scores are drawn over compute, with the baseline's lines across."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from tenuto.errors import UsageError
from tenuto.report.trade_off import Point, trade_off

BASE = Point(1, 0.98, 80, 0.4, "10 ms", base=True)
SERIES = {
    "log-mel": [Point(3.3, 3.2, 90, 0.5, "3 ms"), Point(0.25, 0.24, 70, 1, "40 ms"), BASE],
    "log-mel + DiffRes": [Point(1.6, 1, 88, 0.6, "3 ms → 100 FPS")],
}


def figure() -> Figure:
    return trade_off(SERIES, "accuracy (%)", "FSDD, fixed length")


def test_points_are_joined_from_less_to_more_compute_and_named() -> None:
    axes = figure().axes[0]
    line = next(line for line in axes.lines if len(line.get_xdata()) == 3)  # type: ignore[arg-type]
    np.testing.assert_array_equal(line.get_xdata(), [0.25, 1, 3.3])
    np.testing.assert_array_equal(line.get_ydata(), [70, 80, 90])
    assert {text.get_text() for text in axes.texts} == {"40 ms", "10 ms", "3 ms", "3 ms → 100 FPS"}
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == list(SERIES)


def test_dotted_lines_cross_at_the_baseline() -> None:
    dotted = [line for line in figure().axes[0].lines if line.get_linestyle() == ":"]
    data = [np.asarray(line.get_data()) for line in dotted]
    assert {float(xy[1][0]) for xy in data if xy[1][0] == xy[1][1]} == {80.0}
    assert {float(xy[0][0]) for xy in data if xy[0][0] == xy[0][1]} == {1.0}


def test_thin_lines_lead_to_the_classifiers_share() -> None:
    shares = [c for c in figure().axes[0].collections if len(c.get_paths()) == 1 and c.get_linewidth()[0] == 0.7]
    assert shares[-1].get_paths()[0].vertices.tolist() == [[1, 88], [1.6, 88]]  # type: ignore[union-attr]


def test_nothing_is_cut_off() -> None:
    drawn = figure()
    drawn.canvas.draw()
    inked, (width, height) = drawn.get_tightbbox(), drawn.get_size_inches()
    assert min(inked.x0, inked.y0) >= -0.01  # inches
    assert inked.x1 <= width + 0.01
    assert inked.y1 <= height + 0.01


def test_no_point_is_refused() -> None:
    with pytest.raises(UsageError, match="no points to draw"):
        trade_off({"log-mel": []}, "accuracy (%)")


def test_names_of_neighbours_do_not_hide_each_other() -> None:
    """As near as 10 ms brought to 75 frames a second and 6 ms brought to 100, which score alike."""
    points = [
        Point(c, 0.5, 85, 2, name)
        for c, name in ((0.8, "10 ms → 50 FPS"), (1.1, "10 ms → 75 FPS"), (1.5, "6 ms → 100 FPS"))
    ]
    longest = Point(0.28, 0.27, 76, 3, "40 ms")
    drawn = trade_off({"log-mel": [longest, BASE], "log-mel + DiffRes": points}, "accuracy (%)")
    drawn.canvas.draw()
    names = [text for text in drawn.axes[0].texts if "→" in text.get_text()]
    boxes = [text.get_window_extent() for text in names]
    assert len(boxes) == 3
    assert not any(boxes[i].overlaps(boxes[i + 1]) for i in range(2))
