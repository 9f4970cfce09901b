"""The picture of accuracy over n holds what it was given."""

from __future__ import annotations

import numpy as np
import pytest

from tenuto.errors import UsageError
from tenuto.report.few_data import accuracy_over_n

PANELS = {
    "VGG": {"log-EPS": [(5, 60.0, 3.0), (1, 30.0, 5.0)], "log-learn": [(1, 28.0, 4.0)]},
    "TIMBRE": {"log-EPS": [(1, 20.0, 0.0), (100, 70.0, 1.0)]},
}


def test_a_panel_a_model_and_a_line_and_band_a_compression() -> None:
    figure = accuracy_over_n(PANELS, title="set")
    vgg, timbre = figure.axes
    assert (vgg.get_title(loc="left"), timbre.get_title(loc="left")) == ("VGG", "TIMBRE")
    np.testing.assert_array_equal(vgg.lines[0].get_xydata(), [[1, 30], [5, 60]])
    assert [line.get_label() for line in vgg.lines] == ["log-EPS", "log-learn"]
    assert len(vgg.collections) == 2
    low, high = vgg.collections[0].get_datalim(vgg.transData).intervaly
    assert (low, high) == (25, 63)
    assert [label.get_text() for label in timbre.get_xticklabels()] == ["1", "5", "100"]
    assert vgg.get_ylim() == timbre.get_ylim()
    figure.canvas.draw()


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(UsageError, match="no points to draw"):
        accuracy_over_n({"VGG": {}})
