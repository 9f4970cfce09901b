"""Clips beside each other, ways to look at them below each other, in colours that can be compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from report.material import clip_picture
from tenuto.errors import UsageError
from tenuto.report.spectrograms import features_side_by_side, spectrograms

ROWS = ("mel-spectrogram", "DiffRes", "ConvAvgPool")


def two_hops(title: str) -> list[object]:
    fine = clip_picture(title=title)
    coarse = replace(fine, spectrogram=fine.spectrogram[:, ::4], empty=fine.empty[::4], frame_seconds=0.04)
    return [coarse, fine]


def figure1(n_clips: int = 2) -> Figure:
    return spectrograms([two_hops(f"clip {i}") for i in range(n_clips)], ("40 ms hop", "10 ms hop"))  # type: ignore[misc]


def figure9() -> Figure:
    picture = clip_picture(title="dog")
    learned = replace(picture, channels={"feature": np.abs(picture.channels["mean"])})
    column = [(picture, ""), (picture, "mean"), (learned, "feature")]
    return features_side_by_side([column, column], ROWS)


def test_a_clip_has_one_scale_of_time_and_of_colour() -> None:
    axes = figure1().axes
    images = [each.images[0] for each in axes]
    assert images[0].get_clim() == images[2].get_clim()  # 40 and 10 ms of clip 0
    assert [image.get_array().shape[1] for image in (images[0], images[2])] == [50, 200]  # type: ignore[union-attr]
    assert axes[0].get_xlim()[1] == pytest.approx(axes[2].get_xlim()[1], abs=0.04)
    assert [each.get_title(loc="left") for each in axes] == ["clip 0", "clip 1", "", ""]
    assert [each.get_ylabel() for each in axes] == ["40 ms hop\nkHz", "", "10 ms hop\nkHz", ""]


def test_kept_frames_are_in_the_colours_of_the_input() -> None:
    axes = figure9().axes
    first, mean, feature = (axes[2 * row].images[0] for row in range(3))
    assert first.get_clim() == mean.get_clim()
    assert feature.get_clim() != mean.get_clim()
    assert [axes[2 * row].get_ylabel().split("\n")[0] for row in range(3)] == list(ROWS)
    assert axes[4].get_ylabel().endswith("dimension")


@pytest.mark.parametrize("make", [figure1, lambda: figure1(1), lambda: figure1(4), figure9])
def test_nothing_is_cut_off(make: object) -> None:
    figure = make()  # type: ignore[operator]
    figure.canvas.draw()
    inked, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(inked.x0, inked.y0) >= -0.01  # inches
    assert inked.x1 <= width + 0.01
    assert inked.y1 <= height + 0.01


def test_no_clip_is_refused() -> None:
    with pytest.raises(UsageError, match="no spectrogram to draw"):
        spectrograms([], ("10 ms hop",))
