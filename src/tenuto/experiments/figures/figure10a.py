"""Figure 10a: what changed for each class from one run to another, in the paper from a hop of 40 ms to one of 10."""

from __future__ import annotations

from collections.abc import Callable

from tenuto.errors import UsageError
from tenuto.experiments.compare import as_value, compare
from tenuto.experiments.compare_page import as_text, write
from tenuto.experiments.figures.request import Drawn, Request


def draw(request: Request, say: Callable[[str], None]) -> Drawn:
    """What `tenuto compare` draws of two run folders."""
    path = request.picture
    if len(request.runs) != 2:
        raise UsageError(f"figure10 --run names {len(request.runs)} runs: wanted two, such as --run HOP40 HOP10")
    found = compare(*request.runs)
    return Drawn(as_text(found), [write(found, path)], as_value(found))
