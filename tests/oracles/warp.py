"""The warp matrix four ways, three of them in exact rationals: Eq. 5 with Algorithm 1, Eqs. 9-12, the overlap, and
the difference of an interpolated integral for clips too long for a matrix.

A matrix is a list of rows, `matrix[output][frame]`. Importances are exact rationals; the first two ways hold where
they are in (0, 1] and sum to the number of outputs, the overlap holds everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Matrix = list[list[Fraction]]


def exact(values: Sequence[float]) -> list[Fraction]:
    """The floats as the rationals that they are."""
    return [Fraction(float(value)) for value in values]


def tensor(matrix: Matrix) -> Tensor:
    """(output, frame) -> float64 tensor (output, frame)"""
    return torch.tensor([[float(value) for value in row] for row in matrix], dtype=torch.float64)


def exact_importance(scores: Sequence[float], n_out: int) -> list[Fraction]:
    """Positive scores scaled to min(c score, 1), with the one c for which they sum to n_out; exactly."""
    remaining = dict(enumerate(exact(scores)))
    importance = [Fraction(1)] * len(scores)
    while remaining:
        budget = n_out - (len(scores) - len(remaining))
        scale = budget / sum(remaining.values())
        full = [frame for frame, score in remaining.items() if scale * score >= 1]
        for frame in full or list(remaining):
            importance[frame] = min(scale * remaining.pop(frame), Fraction(1))
        if not full:
            break
    return importance


def equation_5(importance: Sequence[Fraction], n_out: int) -> Matrix:
    """W_ij = s_j where i < C_j <= i + 1, rows counted from 0."""
    cumulative = list(accumulate(importance))
    return [
        [s if i < c <= i + 1 else Fraction(0) for s, c in zip(importance, cumulative, strict=True)]
        for i in range(n_out)
    ]


def algorithm_1(warp: Matrix) -> Matrix:
    """Algorithm 1 line by line on a copy; i and j count from 1, as printed."""
    warp = [[Fraction(0), *row] for row in warp]  # a column 0 that is never looked at,
    warp.insert(0, [])  # and a row 0
    n_out, n_frames = len(warp) - 1, len(warp[1]) - 1
    i, j, total = 1, 1, Fraction(0)
    while i < n_out and j < n_frames:
        if warp[i][j] > 0:
            total += warp[i][j]
            j += 1
        else:
            warp[i][j] = 1 - total
            warp[i + 1][j] -= warp[i][j]
            i += 1
            total = Fraction(0)
    return [row[1:] for row in warp[1:]]


def equations_9_to_12(first: Matrix) -> Matrix:
    """The vectorised Algorithm 1, on arrays of rationals; `first` is Equation 5's matrix."""
    w0 = np.array(first, dtype=object)  # (output, frame)
    p = np.cumsum(1 - w0.sum(axis=1, keepdims=True), axis=0) * np.ones_like(w0)  # Eq. 9
    m = np.where(w0 > 0, 1, 0)
    q = np.diff(m, axis=1, prepend=m[:, :1])  # Eq. 10; its first column is zero
    u = p * np.maximum(-q, 0)  # Eq. 11
    v = np.zeros_like(w0)
    v[1:] = p[:-1] * np.maximum(q[1:], 0)
    return [[Fraction(value) for value in row] for row in u - v + w0]  # Eq. 12


def overlap(importance: Sequence[Fraction], n_out: int) -> Matrix:
    """W_ij = |[C_{j-1}, C_j] and [i, i + 1]|, the length of what they share."""
    ends = list(accumulate(importance))
    starts = [Fraction(0), *ends[:-1]]
    zero = Fraction(0)
    return [
        [max(zero, min(end, i + 1) - max(start, i)) for start, end in zip(starts, ends, strict=True)]
        for i in range(n_out)
    ]


def mean(frames: Tensor, matrix: Tensor) -> Tensor:
    """(band, frame), (output, frame) -> (band, output): X W^T, entry by entry."""
    out = torch.zeros(len(frames), len(matrix), dtype=torch.float64)
    for band, row in enumerate(frames.tolist()):
        for i, weights in enumerate(matrix.tolist()):
            out[band, i] = sum(x * w for x, w in zip(row, weights, strict=True))
    return out


def maximum(frames: Tensor, matrix: Tensor) -> Tensor:
    """(band, frame), (output, frame) -> (band, output): Eq. 6 with A = max, over all frames, unscaled."""
    out = torch.zeros(len(frames), len(matrix), dtype=torch.float64)
    for band, row in enumerate(frames.tolist()):
        for i, weights in enumerate(matrix.tolist()):
            out[band, i] = max(x * w for x, w in zip(row, weights, strict=True))
    return out


def mean_of_long(frames: NDArray[np.float64], importance: NDArray[np.float64], n_out: int) -> NDArray[np.float64]:
    """(band, frame), (frame) -> (band, output) without a matrix: output i is G(i + 1) - G(i), where G is the integral
    of the frames along cumulative importance, piecewise linear between the frames' ends."""
    ends = np.concatenate([[0.0], np.cumsum(importance)])
    integral = np.concatenate([np.zeros((len(frames), 1)), np.cumsum(frames * importance, axis=1)], axis=1)
    edges = np.arange(n_out + 1)
    return np.stack([np.diff(np.interp(edges, ends, row)) for row in integral])
