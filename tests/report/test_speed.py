"""Pictures of speed: what is drawn is what was given, and it can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenuto.errors import UsageError
from tenuto.report.plots import save
from tenuto.report.speed import rates, throughput_over_fps, time_over_frames

SERIES = {"Mel": [(100.0, 60, 50, 65), (25.0, 200, 190, 230)], "LEAF": [(25.0, 50, 45, 55), (100.0, 30, 29, 31)]}


def test_figure_5_has_the_papers_axes(tmp_path: Path) -> None:
    figure = throughput_over_fps(SERIES)
    (axes,) = figure.axes
    assert axes.get_xlabel() == "frames a second into the classifier"
    assert axes.get_ylabel() == "audio throughput in one second (s)"
    assert axes.get_ylim()[0] == 0
    assert [text.get_text() for text in axes.get_xticklabels()] == ["25", "100"]
    handles, names = axes.get_legend_handles_labels()
    assert names == ["Mel", "LEAF"]
    assert handles[0].lines[0].get_ydata().tolist() == [200, 60], "in the order of the rates"
    assert save(figure, tmp_path / "a.png").stat().st_size > 5000


def test_times_are_drawn_on_logarithmic_axes_with_plain_numbers() -> None:
    panels = {
        "forward": {"DiffRes": [(1000.0, 2, 1, 3), (10000.0, 20, 10, 30)]},
        "both": {"DiffRes": [(1000.0, 4, 3, 5)]},
    }
    figure = time_over_frames(panels)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["forward", "both"]
    first = figure.axes[0]
    assert (first.get_xscale(), first.get_yscale()) == ("log", "log")
    figure.draw_without_rendering()
    assert [text.get_text() for text in first.get_xticklabels()] == ["1,000", "10,000"]
    assert not any("$" in text.get_text() for text in first.get_yticklabels())


def test_rates_stand_in_the_order_given_with_their_numbers() -> None:
    figure = rates({"decode": (640, 600, 700), "training step": (12.345, 12, 13), "cache": (20000, 1, 30000)}, "x")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["decode", "training step", "cache"]
    assert [text.get_text() for text in axes.texts] == ["640", "12.3", "20,000"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1], "from above"


def test_nothing_to_draw_is_one_line() -> None:
    with pytest.raises(UsageError, match="no points"):
        throughput_over_fps({"Mel": []})
    with pytest.raises(UsageError, match="no times"):
        time_over_frames({})
    for values in ({}, {"a": (1.0, 0.0, 1.0)}):
        with pytest.raises(UsageError, match="all above 0"):
            rates(values, "x")
