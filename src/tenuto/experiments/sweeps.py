"""Sweeps of what the paper leaves at one value: lambda of the guide loss, dilation of the importance network (A.2)."""

from __future__ import annotations

from collections.abc import Sequence

from tenuto.experiments.experiment import FULL_FPS, LOGMEL, Experiment, Parameter, System
from tenuto.experiments.grid import Column
from tenuto.experiments.paper import TABLE1, TABLE2, Printed


def _sweep(
    parameter: Parameter, values: Sequence[float], help: str, fps: float, hop_ms: float, notes: tuple[str, ...]
) -> Experiment:
    usual = f"{parameter.name}={parameter.usual:g}"

    def printed(paper_set: str, system: System, column: Column) -> Printed | None:
        if system.name not in (LOGMEL.name, usual):
            return None
        if column.hop_ms == Column.hop_ms:
            return TABLE1[paper_set].get((column.method, column.fps))
        return TABLE2.get(paper_set, {}).get(column.hop_ms) if column.fps == FULL_FPS else None

    return Experiment(
        name=f"sweep-{parameter.name}",
        title=f"Sweep of {parameter.name}",
        help=help,
        caption=f"DiffRes with other values of {parameter.name}, percent; in brackets the paper's numbers. "
        "†: not below the log-mel at 100 frames a second.",
        systems=(LOGMEL,),
        chosen=(LOGMEL.name, *(f"{parameter.name}={value:g}" for value in values)),
        baseline_head="100 FPS baseline",
        reference=usual,
        fps=(fps,),
        hops=(hop_ms,),
        row=lambda system, column: {"FPS": f"{column.fps:g}", "Hop": f"{column.hop_ms:g} ms"},
        printed=printed,
        own=lambda column: bool(column.variant),
        parameter=parameter,
        notes=notes,
    )


SWEEP_LAMBDA = _sweep(
    Parameter("lambda", "λ", 0.5),
    (0.0, 0.25, 0.5, 0.75, 1.0),
    "lambda of the guide loss (A.2); any value as --methods lambda=0.3,...",
    fps=25.0,
    hop_ms=Column.hop_ms,
    notes=(
        "λ: the share of the mean importance that an empty frame may have before the guide loss punishes it; "
        "the paper has 0.5 everywhere.",
    ),
)
SWEEP_DILATION = _sweep(
    Parameter("dilation", "dilation", 1.0),
    (1.0, 2.0, 4.0, 8.0),
    "dilation of the importance network (A.2); any value as --methods dilation=3,...",
    fps=FULL_FPS,
    hop_ms=1.0,
    notes=("The importance network sees 40 x dilation + 1 frames; the paper has 1, and supposes at 1 ms too few.",),
)
