"""Pictures hold what they were given, nothing of them is cut off, and matplotlib's own settings stay as they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from report.material import clip_picture
from tenuto.errors import UsageError
from tenuto.report.plots import accuracy_over_fps, comparison, confusion, curves, explanation, save
from tenuto.report.style import shorten

EPOCHS = np.arange(1, 9)


FIGURES: dict[str, Callable[[], Figure]] = {
    "explanation": lambda: explanation(clip_picture()),
    "explanation without importance": lambda: explanation(
        replace(clip_picture(), importance=None, channels={}, band_hz=None)
    ),
    "explanation of one kept frame": lambda: explanation(clip_picture(4, 1)),
    "comparison": lambda: comparison([clip_picture(), clip_picture(44, 11), clip_picture(30, 30)]),
    "comparison of one without importance": lambda: comparison([replace(clip_picture(), importance=None, channels={})]),
    "curves": lambda: curves({"loss": {"train": (EPOCHS, 1 / EPOCHS), "validation": (EPOCHS, 2 / EPOCHS)}}),
    "curves of four panels": lambda: curves({f"p{i}": {"train": (EPOCHS, EPOCHS)} for i in range(4)}),
    "confusion": lambda: confusion([[9, 1], [0, 0]], ["a rather long name of a class", "b"], "fold 1"),
    "confusion of 35": lambda: confusion(np.eye(35, dtype=int), [f"word {i}" for i in range(35)]),
    "confusion of 90": lambda: confusion(np.eye(90, dtype=int), [f"word {i}" for i in range(90)]),
    "accuracy": lambda: accuracy_over_fps(
        {"DiffRes": [(25, 93.1, 0.5), (50, 94, 0.4)], "AvgPool": [(25, 90.1, 0.7)]}, ("log-mel", 94.1, 0.4), title="x"
    ),
}


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_every_picture_is_written(make: Callable[[], Figure], tmp_path: Path) -> None:
    figure = make()
    path = save(figure, tmp_path / "deep" / "a.png")
    pixels = matplotlib.image.imread(path)[..., :3]
    assert float((pixels.min(axis=-1) < 0.9).mean()) > 0.01


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_nothing_is_cut_off(make: Callable[[], Figure]) -> None:
    figure = make()
    figure.canvas.draw()
    inked, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(inked.x0, inked.y0) >= -0.01  # inches
    assert inked.x1 <= width + 0.01
    assert inked.y1 <= height + 0.01


def test_an_explanation_has_its_panels_in_order() -> None:
    axes = explanation(clip_picture()).axes
    panels = [each for each in axes if each.get_position().width > 0.5]
    assert [each.get_ylabel() for each in panels] == ["kHz", "importance", "", "kHz", "kHz", "dimension"]
    assert panels[0].get_xlim() == pytest.approx((-0.005, 1.995))
    assert panels[0].get_xlim() == panels[1].get_xlim() == panels[2].get_xlim()
    lefts = {round(each.get_position().x0, 6) for each in panels}
    assert len(lefts) == 1  # time lines up


def test_kept_frames_are_labelled_with_the_time_they_come_from() -> None:
    picture = clip_picture()
    axes = explanation(picture).axes
    last = [each for each in axes if each.get_position().width > 0.5][-1]
    for tick, label in zip(last.get_xticks(), last.get_xticklabels(), strict=True):
        assert float(label.get_text()) == pytest.approx(picture.kept_seconds[round(tick)], abs=0.006)


def test_empty_frames_are_shaded_and_named() -> None:
    panels = [each for each in explanation(clip_picture()).axes if each.get_ylabel() == "importance"]
    legend = panels[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["empty frames", "even frames (0.25)"]


def test_the_same_data_give_the_same_svg(tmp_path: Path) -> None:
    one, two = (save(explanation(clip_picture()), tmp_path / name) for name in ("a.svg", "b.svg"))
    assert one.read_bytes() == two.read_bytes()


def test_names_with_dollars_are_not_mathematics(tmp_path: Path) -> None:
    picture = explanation(clip_picture(title="$5_and^$.wav: dog 0.93"))
    save(picture, tmp_path / "a.svg")  # where they were taken for mathematics, drawing would fail
    assert "5_and^" in "".join(text.get_text() for text in picture.findobj(Text))


def test_confusion_writes_its_counts_and_names() -> None:
    axes = confusion([[9, 1], [0, 4]], ["cat", "dog"]).axes[0]
    assert sorted(text.get_text() for text in axes.texts) == ["1", "4", "9"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]


def test_accuracy_is_drawn_where_it_is() -> None:
    axes = accuracy_over_fps({"DiffRes": [(50, 94.0, 0.4), (25, 93.1, 0.5)]}).axes[0]
    line = axes.lines[0]
    np.testing.assert_allclose(line.get_xdata(), [25, 50], rtol=0.02)
    np.testing.assert_allclose(line.get_ydata(), [93.1, 94.0])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["25", "50"]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: confusion(np.zeros((2, 3)), ["a", "b"]), "counts are"),
        (lambda: accuracy_over_fps({"DiffRes": []}), "no points to draw"),
        (lambda: curves({}), "no curves to draw"),
        (lambda: save(curves({"a": {"b": ([1], [1])}}), "a.bmp"), r"not in \.bmp"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call: Callable[[], object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        call()


def test_settings_of_matplotlib_stay_as_they_were() -> None:
    before = dict(mpl.rcParams)
    explanation(clip_picture())
    assert dict(mpl.rcParams) == before


def test_long_names_keep_both_ends() -> None:
    assert shorten("a_very_long_recording_name_0042.wav", 16) == "a_very_l…042.wav"
    assert len(shorten("x" * 99, 16)) == 16
    assert shorten("short.wav", 16) == "short.wav"
