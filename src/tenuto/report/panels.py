"""The panels that pictures of a clip are put together from: each draws one thing on one pair of axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from tenuto.report.style import COLOURS, FAINT, INK

FloatArray = NDArray[np.floating[Any]]

ROUND_STEPS = (1, 2, 5, 10)  # from tick to tick, times a power of ten
SOUND_CHANNELS = ("mean", "maximum")  # these share colours and frequency axis with the input
_SPECTROGRAM_MAP, _SIGNED_MAP = "magma", "PuOr"
_N_THREADS = 60  # lines from the clip to the kept frames: enough to see where time is spent
_OCTAVES_HZ = (125, 250, 500, 1000, 2000, 4000, 8000, 16000, 32000)
_LEAST_REACH = 0.2  # of a colour scale, over its largest value: 14 dB at the floor of the logarithm, where silence lies
_N_COLUMNS_DRAWN_SHARP = 1000  # beyond it a picture has fewer dots than columns, and these are averaged


@dataclass(frozen=True)
class ClipPicture:
    """All that a picture of one clip needs.

    spectrogram (band, frame): the compressed input, in `unit`. frame_seconds: from frame to frame; frame k is
    centred at start_seconds + k x frame_seconds. empty (frame,): True where a frame has no sound.
    importance (frame,), each in [0, 1]; None where the model has no such thing, and then channels is empty.
    channels: name -> (band, kept), what the classifier sees, in its order. kept_seconds (kept,): where each
    kept frame lies in the clip; edge_seconds (kept + 1,): where one ends and the next begins; both counted
    from start_seconds.
    band_hz (band,): the bands' centres, or None where bands have no one frequency.
    """

    title: str
    spectrogram: FloatArray
    frame_seconds: float
    empty: NDArray[np.bool_]
    importance: FloatArray | None = None
    channels: Mapping[str, FloatArray] = field(default_factory=dict)
    kept_seconds: FloatArray = field(default_factory=lambda: np.zeros(0))
    edge_seconds: FloatArray = field(default_factory=lambda: np.zeros(0))
    band_hz: FloatArray | None = None
    start_seconds: float = 0.0
    unit: str = "log energy"
    notes: Sequence[str] = ()

    @property
    def n_frames(self) -> int:
        """Frames of the input."""
        return int(self.spectrogram.shape[1])

    @property
    def n_kept(self) -> int:
        """Frames that reach the classifier."""
        return len(self.kept_seconds) if self.importance is not None else self.n_frames

    @property
    def time_limits(self) -> tuple[float, float]:
        """Where the first frame begins and the last one ends, in seconds: each frame is one hop wide."""
        start = self.start_seconds - self.frame_seconds / 2
        return start, start + self.n_frames * self.frame_seconds

    @property
    def colour_limits(self) -> tuple[float, float]:
        """From the quietest sound that is not silence to the loudest: one scale for input and kept frames.

        Where these are as good as equal the scale reaches higher, so that silence is dark all over.
        """
        sounding = self.spectrogram if self.empty.all() else self.spectrogram[:, ~self.empty]
        low, high = np.quantile(sounding, [0.02, 0.9995]).tolist()
        least = _LEAST_REACH * max(abs(low), abs(high)) or 1.0
        return low, max(high, low + least)


def draw_spectrogram(axes: Axes, picture: ClipPicture) -> AxesImage:
    """The input over the clip's own time."""
    low, high = picture.colour_limits
    n_bands = picture.spectrogram.shape[0]
    image = axes.imshow(
        picture.spectrogram, origin="lower", aspect="auto", cmap=_SPECTROGRAM_MAP, vmin=low, vmax=high,
        interpolation=_interpolation(picture.n_frames), extent=(*picture.time_limits, -0.5, n_bands - 0.5),
    )  # fmt: skip
    frequency_axis(axes, picture.band_hz, n_bands)
    return image


def draw_importance(axes: Axes, picture: ClipPicture) -> None:
    """The curve, its mean (what even frames would all have), and the empty frames shaded."""
    assert picture.importance is not None
    start, end = picture.time_limits
    borders = np.linspace(start, end, picture.n_frames + 1)
    for i, (first, after) in enumerate(_runs(picture.empty)):
        label = "empty frames" if i == 0 else None
        axes.axvspan(borders[first], borders[after], color="#D6D6D6", linewidth=0, zorder=0, label=label)
    axes.stairs(picture.importance, borders, fill=True, color=COLOURS[0], alpha=0.25, linewidth=0)
    axes.stairs(picture.importance, borders, color=COLOURS[0], linewidth=0.9, baseline=None)
    mean = picture.n_kept / picture.n_frames
    axes.axhline(mean, color=COLOURS[1], linewidth=0.8, linestyle=(0, (4, 2)), label=f"even frames ({mean:.2g})")
    axes.set(xlim=(start, end), ylim=(0, 1.04), yticks=[0, 0.5, 1], ylabel="importance")
    axes.set_yticklabels(["0", "0.5", "1"])


def draw_threads(axes: Axes, picture: ClipPicture) -> None:
    """Lines from the clip's time above to the kept frames below: wide apart where many frames are spent."""
    start, end = picture.time_limits
    step = max(1, picture.n_kept // _N_THREADS)
    numbers = np.arange(0, picture.n_kept + 1, step)
    above = picture.edge_seconds[numbers] + picture.start_seconds
    below = start + (end - start) * numbers / picture.n_kept
    lines = [((a, 1), (b, 0)) for a, b in zip(above.tolist(), below.tolist(), strict=True)]
    axes.add_collection(LineCollection(lines, colors=FAINT, linewidths=0.5))
    axes.set(xlim=(start, end), ylim=(0, 1))
    axes.axis("off")


def draw_channel(axes: Axes, name: str, picture: ClipPicture, n_ticks: int = 9) -> AxesImage:
    """One channel of what the classifier sees: every kept frame as wide as the next, the clip's time below them."""
    channel = picture.channels[name]
    is_sound = name in SOUND_CHANNELS
    low, high = picture.colour_limits if is_sound else _own_limits(channel)
    image = axes.imshow(
        channel, origin="lower", aspect="auto", cmap=_SPECTROGRAM_MAP if is_sound else _SIGNED_MAP,
        vmin=low, vmax=high, interpolation=_interpolation(picture.n_kept),
        extent=(-0.5, picture.n_kept - 0.5, -0.5, channel.shape[0] - 0.5),
    )  # fmt: skip
    frequency_axis(axes, picture.band_hz if is_sound else None, channel.shape[0])
    if not is_sound:
        axes.set_ylabel("dimension")
    axes.text(0.006, 0.94, name, transform=axes.transAxes, va="top", fontsize=7.5, color=INK,
              bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5})  # fmt: skip
    ticks, labels = _kept_ticks(picture, n_ticks)
    axes.set_xticks(ticks, labels)
    return image


def frequency_axis(axes: Axes, band_hz: FloatArray | None, n_bands: int, least_share: float = 0.1) -> None:
    """Kilohertz, octaves at least `least_share` of the axis apart; else band numbers."""
    if band_hz is None:
        axes.set_ylabel("band")
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        return
    inside_hz = [hz for hz in _OCTAVES_HZ if band_hz[0] <= hz <= band_hz[-1] * 1.02]
    places = np.interp(inside_hz, band_hz, np.arange(n_bands))
    chosen: list[int] = []
    for i in reversed(range(len(places))):  # from the top, where octaves lie far apart
        neighbour = places[chosen[-1]] if chosen else np.inf
        if places[i] >= least_share * n_bands / 1.5 and neighbour - places[i] >= least_share * n_bands:
            chosen.append(i)
    axes.set_yticks(places[chosen], [f"{inside_hz[i] / 1000:g}" for i in chosen])
    axes.set_ylabel("kHz")


def _own_limits(channel: FloatArray) -> tuple[float, float]:
    """Of a channel that is no spectrogram: as far below zero as above."""
    reach = float(np.abs(channel).max()) or 1.0
    return -reach, reach


def _interpolation(n_columns: int) -> str:
    return "nearest" if n_columns <= _N_COLUMNS_DRAWN_SHARP else "auto"


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of True as (first, one after the last)."""
    steps = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))


def _kept_ticks(picture: ClipPicture, n_ticks: int) -> tuple[list[float], list[str]]:
    """Round times of the clip and where among the kept frames they lie; more of them where much is kept of little.

    A time lies where the cumulative importance has grown to by then, which is where `draw_threads` leads to.
    """
    edges = picture.edge_seconds + picture.start_seconds
    chosen: dict[float, float] = {}  # seconds -> place
    for finer in (1, 2, 5, 10):
        locator = MaxNLocator(finer * n_ticks, steps=ROUND_STEPS)
        seconds = np.asarray(locator.tick_values(edges[0], edges[-1]))  # beyond both ends
        if not all(np.isclose(seconds, second).any() for second in chosen):
            continue  # 0.2 and 0.4 do not go with 0.5
        places = np.interp(seconds, edges, np.arange(len(edges)) - 0.5)
        inside = (seconds >= picture.start_seconds) & (seconds <= edges[-1])
        _choose(seconds, places, inside, picture.n_kept / (1.5 * n_ticks), chosen)
    seconds = np.array(sorted(chosen))
    n_digits = max((len(f"{second:.6f}".rstrip("0").partition(".")[2]) for second in seconds), default=0)
    return [chosen[second] for second in seconds], [f"{second:.{n_digits}f}" for second in seconds]


def _choose(
    seconds: FloatArray, places: FloatArray, inside: NDArray[np.bool_], least: float, chosen: dict[float, float]
) -> None:
    """Adds to the ticks those at least `least` from them all; the first time any, later those of wide gaps."""
    is_first = not chosen
    gaps = np.diff(places)
    for i in np.flatnonzero(inside):
        lies_apart = is_first or min(gaps[max(0, i - 1) : i + 1]) >= least
        if lies_apart and all(abs(places[i] - place) >= least for place in chosen.values()):
            chosen[float(seconds[i])] = float(places[i])
