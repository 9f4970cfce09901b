"""Lines with their spread: what is drawn where."""

from __future__ import annotations

import numpy as np
import pytest

from tenuto.errors import UsageError
from tenuto.report.style import save
from tenuto.report.trajectories import Panel, Trajectory, trajectories


def line(values: list[float]) -> Trajectory:
    return Trajectory(np.arange(1.0, len(values) + 1), np.array(values), np.full(len(values), 0.1))


def test_a_line_looks_alike_in_all_panels_and_the_legend_has_it_once() -> None:
    panels = [Panel("one", "loss", {"b": line([1, 2])}), Panel("two", "loss", {"a": line([3, 4]), "b": line([5, 6])})]
    figure = trajectories(panels, x_label="epochs", title="head")
    first, second = figure.axes
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["b", "a"]
    drawn = {each.get_label(): each for each in second.get_lines()}
    assert drawn["b"].get_color() == first.get_lines()[0].get_color() != drawn["a"].get_color()
    np.testing.assert_array_equal(np.asarray(drawn["a"].get_ydata()), [3, 4])
    assert first.get_xlabel() == "epochs"
    assert len(second.collections) == 2  # the bands


def test_gaps_zero_and_one_point(tmp_path: object) -> None:
    panels = [
        Panel("flat", "loss", {"a": line([0, 0, 0])}, from_zero=True),
        Panel("gap", "loss", {"a": line([np.nan, 1])}),
    ]
    figure = trajectories([*panels, Panel("none", "loss", {})])
    assert figure.axes[0].get_ylim()[0] == 0
    save(figure, f"{tmp_path}/x.png")
    assert [text.get_text() for text in figure.axes[2].texts] == ["not logged"]
    assert not figure.axes[0].texts


def test_nothing_to_draw() -> None:
    with pytest.raises(UsageError, match="no curves to draw"):
        trajectories([Panel("none", "loss", {})])
