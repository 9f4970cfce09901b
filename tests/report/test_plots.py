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
from tenuto.inference.placement import place
from tenuto.report.plots import ClipPicture, accuracy_over_fps, comparison, confusion, curves, explanation, save
from tenuto.report.style import shorten

EPOCHS = np.arange(1, 9)
LONG = "a.wav: " + ", ".join(f"{name} 0.{k}3" for k, name in enumerate(("Wide " * 18, "m" * 90, "narrow" * 15)))


FIGURES: dict[str, Callable[[], Figure]] = {
    "explanation": lambda: explanation(clip_picture()),
    "explanation without importance": lambda: explanation(
        replace(clip_picture(), importance=None, channels={}, band_hz=None)
    ),
    "explanation of one kept frame": lambda: explanation(clip_picture(4, 1)),
    "comparison": lambda: comparison([clip_picture(), clip_picture(44, 11), clip_picture(30, 30)]),
    "comparison of one without importance": lambda: comparison([replace(clip_picture(), importance=None, channels={})]),
    "explanation of long names": lambda: explanation(clip_picture(title=LONG)),
    "explanation of long names without importance": lambda: explanation(
        replace(clip_picture(title=LONG), importance=None, channels={}, band_hz=None)
    ),
    "comparison of long names": lambda: comparison([clip_picture(title=LONG)] * 2),
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


def _kept_labels(picture: ClipPicture) -> tuple[list[float], list[str]]:
    """Where the ticks under the last channel are, and their texts."""
    last = [each for each in explanation(picture).axes if each.get_position().width > 0.5][-1]
    return [float(tick) for tick in last.get_xticks()], [label.get_text() for label in last.get_xticklabels()]


def test_kept_frames_are_labelled_with_the_time_they_come_from() -> None:
    picture = clip_picture()
    ticks, labels = _kept_labels(picture)
    borders = np.arange(51) - 0.5
    np.testing.assert_allclose(np.interp(ticks, borders, picture.edge_seconds), [float(x) for x in labels], atol=1e-6)
    assert labels == ["0.0", "0.5", "1.0", "1.5"]  # 1.5 s lies in the silence, of which little is kept


def _squeezed(n_frames: int, n_kept: int, held: slice) -> ClipPicture:
    """A clip of which one part is held whole, the rest shares what is left."""
    importance = np.zeros(n_frames)
    importance[held] = 1
    rest = importance == 0
    importance[rest] = (n_kept - importance.sum()) / rest.sum()
    placed = place(importance, n_kept, 0.01)
    return replace(
        clip_picture(n_frames, n_kept),
        importance=importance, kept_seconds=placed.centre_seconds, edge_seconds=placed.edge_seconds,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("picture", "wanted"),
    [
        (_squeezed(500, 125, slice(0, 0)), "0.0 0.5 1.0 1.5 2.0 2.5 3.0 3.5 4.0 4.5"),
        (replace(_squeezed(500, 125, slice(0, 0)), start_seconds=3.0), "3.0 3.5 4.0 4.5 5.0 5.5 6.0 6.5 7.0 7.5"),
        (_squeezed(501, 125, slice(150, 250)), "0.0 1.6 1.7 1.8 1.9 2.0 2.1 2.2 2.3 2.4 3.0 5.0"),
        (_squeezed(3, 1, slice(0, 0)), "0.000 0.005 0.010 0.015 0.020 0.025"),
    ],
)
def test_times_of_kept_frames_are_round_numbers(picture: ClipPicture, wanted: str) -> None:
    ticks, labels = _kept_labels(picture)
    assert " ".join(labels) == wanted
    assert np.diff(ticks).min() >= picture.n_kept / 13.5


def test_labels_of_colour_bars_keep_clear_of_what_stands_beside_them() -> None:
    floor = np.random.default_rng(0).normal(-15.94, 0.002, (32, 200))
    quiet = replace(clip_picture(), spectrogram=floor, empty=np.ones(200, bool), channels={"mean": floor[:, :50]})
    for picture in (quiet, replace(quiet, spectrogram=np.zeros((32, 200))), clip_picture()):
        figure = explanation(picture)
        figure.canvas.draw()
        aside = min(text.get_window_extent().x0 for text in figure.texts if text.get_rotation() == 270)
        bars = [axes for axes in figure.axes if axes.get_position().width < 0.05]
        assert all(label.get_window_extent().x1 < aside for axes in bars for label in axes.get_yticklabels())


def test_one_kept_frame_is_singular() -> None:
    texts = [text.get_text() for text in explanation(clip_picture(4, 1)).findobj(Text)]
    assert "time that the one kept frame comes from (s)" in texts


def test_empty_frames_are_shaded_and_named() -> None:
    panels = [each for each in explanation(clip_picture()).axes if each.get_ylabel() == "importance"]
    legend = panels[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["empty frames", "even frames (0.25)"]


def test_long_titles_keep_both_ends_and_fill_their_room() -> None:
    figure = explanation(clip_picture(title=LONG))
    (title,) = (text for text in figure.texts if text.get_text().startswith("a.wav: "))
    assert title.get_text().endswith("narrow 0.23")
    assert 0.96 < title.get_window_extent().x1 / figure.bbox.width < 0.99


def test_long_titles_side_by_side_keep_clear_of_each_other() -> None:
    figure = comparison([clip_picture(title=LONG)] * 2)
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert len(titles) == 2
    places = [axes._left_title.get_window_extent() for axes in figure.axes if axes.get_title(loc="left")]
    assert places[0].x1 < places[1].x0


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
