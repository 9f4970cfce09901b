"""The paper's Figure 10b: log-mels of several hops with all their frames, and DiffRes on the smaller hops."""

from __future__ import annotations

from tenuto.experiments.experiment import FULL_FPS, HOP_MS, LOGMEL, Experiment, System
from tenuto.experiments.grid import Column
from tenuto.experiments.paper import TABLE1, TABLE2, Printed
from tenuto.experiments.table2 import TABLE2 as TABLE2_EXPERIMENT

SMALLER_HOPS_MS = (6.0, 3.0, 1.0)
LARGER_HOPS = {40: 25.0, 20: 50.0}  # ms -> frames a second


def _printed(paper_set: str, system: System, column: Column) -> Printed | None:
    if column.hop_ms == HOP_MS:
        return TABLE1[paper_set].get((column.method, column.fps))
    is_table2 = column.method == "diffres" and column.fps == FULL_FPS
    return TABLE2.get(paper_set, {}).get(column.hop_ms) if is_table2 else None


def _log_mel(hop_ms: float) -> System:
    return System(f"logmel-{hop_ms:g}ms", f"{hop_ms:g} ms", "logmel", fps=1000 / hop_ms, hop_ms=hop_ms)


def _larger(hop_ms: int, fps: float) -> System:
    return System(f"logmel-{hop_ms}ms", f"{hop_ms} ms", "changehop", fps=fps, hop_ms=HOP_MS)


def _diffres(hop_ms: float, fps: float) -> System:
    name = f"diffres-{hop_ms:g}ms" + ("" if fps == FULL_FPS else f"-{fps:g}fps")
    return System(name, f"DiffRes {hop_ms:g} ms to {fps:g} FPS", "diffres", fps=fps, hop_ms=hop_ms)


SMALLER = [_log_mel(hop_ms) for hop_ms in SMALLER_HOPS_MS]
WITH_DIFFRES = [_diffres(hop_ms, FULL_FPS) for hop_ms in SMALLER_HOPS_MS]

FIGURE10 = Experiment(
    name="figure10",
    title="Figure 10b",
    help="the score over compute at several hops, with and without DiffRes (10b); --run A B: changes by class (10a)",
    caption="Log-mels of several hops with all their frames, and DiffRes that makes 100 frames a second of the smaller "
    "ones, percent; in brackets the paper's numbers. †: not below the log-mel of a 10 ms hop.",
    systems=(
        LOGMEL,
        *(_larger(*pair) for pair in LARGER_HOPS.items()),
        *SMALLER,
        *WITH_DIFFRES,
        *(_diffres(HOP_MS, fps) for fps in (25.0, 50.0, 75.0)),  # of Table 1, shown where they are there
    ),
    baseline_head="10 ms",
    chosen=(LOGMEL.name, "logmel-40ms", "logmel-20ms", "logmel-6ms", "logmel-3ms", "diffres-6ms", "diffres-3ms"),
    fps=(FULL_FPS,),
    hops=(HOP_MS, *SMALLER_HOPS_MS),
    row=lambda system, column: {},
    printed=_printed,
    store=TABLE2_EXPERIMENT.name,
    compute=True,
)
