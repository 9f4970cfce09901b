"""Figure 11: a warp matrix being built by the matrix operations of appendix A.5."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tenuto.errors import UsageError
from tenuto.experiments.figures.request import Drawn, Request
from tenuto.experiments.figures.warp_steps import WarpSteps, warp_steps
from tenuto.report.changes import MINUS
from tenuto.report.matrices import Matrix, Overlap, Panel, matrices
from tenuto.report.style import save
from tenuto.report.words import counted

EXAMPLE = (0.3, 0.5, 0.6, 0.9, 0.4, 0.7, 0.2, 0.4)  # eight frames that become four
MAX_FRAMES = 20


def draw(request: Request, say: Callable[[str], None]) -> Drawn:
    """Every step as a matrix with its values; the number in brackets is that of the paper's equation."""
    importance = request.importance or EXAMPLE
    if len(importance) > MAX_FRAMES:
        raise UsageError(f"importance of {len(importance)} frames: at most {MAX_FRAMES} can be read in a picture")
    steps = warp_steps(importance)
    path = save(matrices(panels(steps)), request.picture)
    n_out, n_frames = steps.w.shape
    value = {"importance": steps.s.astype(float).tolist(), "warp_matrix": steps.w.astype(float).tolist()}
    return Drawn(
        f"{counted(n_frames, 'frame')} become{'s' if n_frames == 1 else ''} {n_out}; every row of W sums to 1",
        [path],
        value,
    )


def panels(steps: WarpSteps) -> list[Panel]:
    """The matrices in the order in which they are made, and W once more as what frames and outputs share."""
    both = np.vstack([steps.s, steps.running])
    return [
        Matrix("importance s and its running sum C", both, row_names=("s", "C"), column_axis="frame"),
        Matrix("(5)  W₀: a frame goes whole where its C ends", steps.w0),
        Matrix("(9)  P: what the outputs so far lack", steps.p),
        Matrix(f"(10)  Q: 1 where W₀ begins, {MINUS}1 after its end", steps.q),
        Matrix(f"(11)  U = P ⊙ ({MINUS}Q)⁺: given to an output", steps.u),
        Matrix("(11)  V: taken from the next for it", steps.v),
        Matrix(f"(12)  W = W₀ + U {MINUS} V; changed entries framed", steps.w, framed=steps.w != steps.w0),
        Overlap("W, seen as what frames and outputs share", steps.s, len(steps.w)),
    ]
