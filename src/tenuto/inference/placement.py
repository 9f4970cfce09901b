"""Where in time each kept frame comes from: the warp matrix read as intervals, without ever building it.

With cumulative importance C, kept frame i is made of what lies between C = i and C = i + 1 (the overlap that
the warp is). So its place in the clip is a look-up in C, linear in the number of frames of the clip:

    C   0 . . . 1 . 2 . . 3      importance 0.25 0.25 0.25 0.25 | 0.5 0.5 | 1/3 1/3 1/3
    kept  [  0  ][ 1 ][ 2 ]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Importances come in float32: a share this small of a kept frame is rounding, not content.
_NEGLIGIBLE_SHARE = 1e-3


@dataclass(frozen=True)
class Placement:
    """Kept frame i, in the order of time; every field (kept,).

    first_frame, last_frame: the input frames that have a weight in it, both included.
    start_seconds, end_seconds: from the start of the first to the end of the last, a frame taken as one hop
    round its centre. centre_seconds: its centre of mass by the warp matrix's row. NaN (frames: -1) where the
    row is empty. edge_seconds (kept + 1,): where the cumulative importance crosses each integer.
    """

    first_frame: IntArray
    last_frame: IntArray
    start_seconds: FloatArray
    end_seconds: FloatArray
    centre_seconds: FloatArray
    edge_seconds: FloatArray


def place(importance: FloatArray, n_kept: int, frame_seconds: float) -> Placement:
    """Importance (frame,) after rescaling, number of kept frames, seconds between frames -> Placement.

    Frame k is centred at k x frame_seconds. Time and memory are linear in the number of frames.
    """
    importance = np.asarray(importance, dtype=np.float64)
    mass = np.concatenate([[0.0], np.cumsum(importance)])  # C, with C_{-1} = 0 in front
    lower = np.arange(n_kept, dtype=np.float64)
    first = np.searchsorted(mass[1:], lower + _NEGLIGIBLE_SHARE, side="left")
    last = np.searchsorted(mass[:-1], lower + 1 - _NEGLIGIBLE_SHARE, side="right") - 1
    filled = (first < len(importance)) & (mass[-1] > lower + _NEGLIGIBLE_SHARE)
    first, last = np.where(filled, first, -1), np.where(filled, np.minimum(last, len(importance) - 1), -1)
    return Placement(
        first_frame=first.astype(np.int64),
        last_frame=last.astype(np.int64),
        start_seconds=np.where(filled, np.maximum((first - 0.5) * frame_seconds, 0.0), np.nan),
        end_seconds=np.where(filled, (last + 0.5) * frame_seconds, np.nan),
        centre_seconds=np.where(filled, _centres(importance, mass, n_kept) * frame_seconds, np.nan),
        edge_seconds=_edges(mass, n_kept) * frame_seconds,
    )


def _centres(importance: FloatArray, mass: FloatArray, n_kept: int) -> FloatArray:
    """Centre of mass of each kept frame, in frames: its share of the first moment over its mass."""
    moment = np.concatenate([[0.0], np.cumsum(importance * np.arange(len(importance)))])
    bounds = np.minimum(np.arange(n_kept + 1, dtype=np.float64), mass[-1])
    weight = np.diff(bounds)
    # Frames without importance add neither mass nor moment, so the interpolation is unambiguous there.
    held = np.concatenate([[True], np.diff(mass) > 0])
    moments = np.diff(np.interp(bounds, mass[held], moment[held]))
    centres: FloatArray = np.divide(moments, weight, out=np.full(n_kept, np.nan), where=weight > 0)
    return centres


def _edges(mass: FloatArray, n_kept: int) -> FloatArray:
    """Where C crosses 0, 1, ..., kept, in frames; the middle where frames of no importance lie between."""
    n_frames = len(mass) - 1
    integers = np.minimum(np.arange(n_kept + 1, dtype=np.float64), mass[-1])
    borders = np.arange(n_frames + 1) - 0.5  # frame j lies between j - 0.5 and j + 0.5
    rising = np.concatenate([[True], np.diff(mass) > 0])
    early = np.interp(integers, mass[rising], borders[rising])  # the end of the last frame that counts
    rising = np.concatenate([np.diff(mass) > 0, [True]])
    late = np.interp(integers, mass[rising], borders[rising])  # the start of the next that counts
    edges: FloatArray = (early + late) / 2
    edges[0], edges[-1] = borders[0], borders[-1]
    return edges
