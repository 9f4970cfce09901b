"""Figure 5: seconds of audio a second from waveform to label, of Mel, LEAF and Mel + DiffRes, on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from tenuto.errors import UsageError
from tenuto.experiments.figures.request import Drawn, Request
from tenuto.inference.benchmark import Size, throughput
from tenuto.inference.benchmark_page import Section, as_text, as_value, save_all
from tenuto.inference.machine import machine
from tenuto.report.style import PICTURE_SUFFIXES

FOLDER = Path("results") / "figure5"


def draw(request: Request, say: Callable[[str], None]) -> Drawn:
    """Writes numbers, table and picture into a folder, as `tenuto benchmark throughput` does."""
    folder = request.out or FOLDER
    if folder.suffix.lower() in PICTURE_SUFFIXES:
        raise UsageError(f"{folder}: figure5 writes numbers too; wanted a folder, such as --out {FOLDER}")
    if request.threads is not None and request.threads < 1:
        raise UsageError(f"--threads {request.threads}: wanted 1 or more")
    given = {"n_rounds": request.rounds, "backbone": request.backbone, "fps": request.fps}
    size = Size(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    if request.threads is not None:
        torch.set_num_threads(request.threads)
    return measure(size, folder, say)


def measure(size: Size, folder: Path, say: Callable[[str], None] | None = None) -> Drawn:
    """Measures, and writes benchmark.json, benchmark.md and throughput.png."""
    title = f"Figure 5: {size.backbone}, batch {size.batch_size}, clips of {size.seconds:g} s"
    sections, found = [Section("throughput", title, throughput(size, say))], machine()
    files = save_all(sections, found, folder)
    return Drawn(as_text(sections, found), files, as_value(sections, found))
