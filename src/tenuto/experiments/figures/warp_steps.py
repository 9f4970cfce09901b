"""Algorithm 1 in matrix operations (appendix A.5), every step literally, in exact numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tenuto.errors import UsageError

Exact = NDArray[Any]  # of Fractions


@dataclass(frozen=True)
class WarpSteps:
    """Each (output, frame), but for s and its running sum, (frame,)."""

    s: Exact
    running: Exact
    w0: Exact  # Eq. 5: a frame goes whole to the output in which its running sum ends
    p: Exact  # Eq. 9: what the outputs so far lack, in every column alike
    m: Exact  # sgn(W0)
    q: Exact  # Eq. 10: 1 where an output's frames begin, -1 after they end
    u: Exact  # Eq. 11: what is added to an output that lacks some
    v: Exact  # Eq. 11: what is taken from the next output for it
    w: Exact  # Eq. 12


def warp_steps(importance: Sequence[float]) -> WarpSteps:
    """From the importance of each frame to the warp matrix; its decimal digits are taken as they are written.

    Raises:
        UsageError: an importance that is not above 0 and at most 1, or a sum that is no whole number
    """
    s: Exact = np.array([Fraction(repr(value)) for value in importance], dtype=object)
    total = sum(s, Fraction(0))
    if not len(s) or not all(0 < value <= 1 for value in s) or total.denominator != 1:
        given = ",".join(f"{value:g}" for value in importance)
        raise UsageError(
            f"importance {given} sums to {float(total):g}: wanted numbers above 0 and at most 1 that sum to a whole one"
        )
    running: Exact = np.array(list(accumulate(s)), dtype=object)
    rows = np.arange(int(total))[:, None]  # counted from 0, as i in Eq. 5
    w0: Exact = s * ((rows < running) & (running <= rows + 1))
    p = np.cumsum(1 - w0.sum(axis=1, keepdims=True), axis=0) * np.ones_like(w0)
    m = np.where(w0 > 0, 1, 0)
    q = np.diff(m, axis=1, prepend=m[:, :1])  # the convolution with (-1, 1), after a column of zeros
    u = p * np.maximum(-q, 0)
    v = np.vstack([np.zeros_like(w0[:1]), p[:-1] * np.maximum(q[1:], 0)])
    return WarpSteps(s, running, w0, p, m, q, u, v, u - v + w0)
