"""Matrices show their numbers, and frames over outputs the pieces that they share."""

from __future__ import annotations

import numpy as np
import pytest

from tenuto.errors import UsageError
from tenuto.report.changes import MINUS
from tenuto.report.matrices import Matrix, Overlap, matrices


def test_values_names_and_frames_are_drawn() -> None:
    values = np.array([[0.25, 0.0, -1.0], [0.0, 3.0, 0.5]])
    framed = values == 3
    axes = matrices([Matrix("M", values, framed=framed), Matrix("s", values[:1], ("s",), column_axis="frame")]).axes
    assert [text.get_text() for text in axes[0].texts] == ["0.25", "0", f"{MINUS}1", "0", "3", "0.5"]
    (frame,) = axes[0].patches
    assert frame.get_center().tolist() == [1.0, 1.0]  # type: ignore[attr-defined]
    assert axes[0].get_title(loc="left") == "M"
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["1", "2"]
    assert [label.get_text() for label in axes[1].get_xticklabels()] == ["1", "2", "3"]
    assert [label.get_text() for label in axes[1].get_yticklabels()] == ["s"]


def test_pieces_are_the_entries_of_the_warp_matrix() -> None:
    axes = matrices([Overlap("W", np.array([0.3, 0.9, 0.8]), 2)]).axes[0]
    by_row = [[t.get_text() for t in axes.texts if t.get_position()[1] == row + 0.48] for row in range(3)]
    assert by_row == [["1", "2"], ["0.3", "0.7", "0.2", "0.8"], ["1", "2", "3"]]


def test_nothing_is_cut_off() -> None:
    values = np.arange(40.0).reshape(4, 10) / 10
    figure = matrices([Matrix("a", values), Overlap("b", np.full(8, 0.5), 4), Matrix("c", values, column_axis="frame")])
    figure.canvas.draw()
    inked, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(inked.x0, inked.y0) >= -0.01  # inches
    assert inked.x1 <= width + 0.01
    assert inked.y1 <= height + 0.01


def test_no_panel_is_refused() -> None:
    with pytest.raises(UsageError, match="no matrix to draw"):
        matrices([])
