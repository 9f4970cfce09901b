"""The paper's claim on clips of very different length (section 3.1): one small shape instead of padding."""

from __future__ import annotations

from tenuto.experiments.experiment import FULL_FPS, HOP_MS, Experiment, System
from tenuto.experiments.grid import Column
from tenuto.experiments.paper import FSD50K_15FPS, Printed
from tenuto.experiments.variants import FIXED_NUMBER


def _printed(paper_set: str, system: System, column: Column) -> Printed | None:
    is_the_claim = paper_set == "FSD50K" and column.fps in (15.0, FULL_FPS)
    return FSD50K_15FPS.get(system.name) if is_the_claim else None


FSD50K_AT_15FPS = Experiment(
    name="fsd50k-15fps",
    title="Clips of very different length, 15 FPS",
    help="clips of very different length brought to one small shape, against padding, with training time",
    caption="Clips of very different length, percent, and training time over that of padding; in brackets the paper's "
    "numbers. †: not below the padded log-mel.",
    systems=(
        System("logmel", "Log-mel, padded", "logmel", fps=FULL_FPS, hop_ms=HOP_MS, length="fixed"),
        System("diffres", "DiffRes to a fixed number", "diffres", FIXED_NUMBER, length="own"),
        System("diffres-share", "DiffRes, own share", "diffres", length="own"),
        System("diffres-padded", "DiffRes, padded", "diffres", length="fixed"),
        System("avgpool-share", "AvgPool, own share", "avgpool", length="own"),
        System("avgpool-padded", "AvgPool, padded", "avgpool", length="fixed"),
        System("logmel-own", "Log-mel, own length", "logmel", fps=FULL_FPS, hop_ms=HOP_MS, length="own"),
    ),
    chosen=("logmel", "diffres"),
    baseline_head="Log-mel, padded, 100 FPS",
    fps=(15.0,),
    printed=_printed,
    own=lambda column: bool(column.variant),
    timed=True,
    notes=(
        "To a fixed number: of every clip, however long, the same number of frames is kept, FPS x the seconds that "
        "padding brings clips to; never more than the clip has.",
        "Own share: of every clip FPS x its own seconds; padded: DiffRes after padding.",
    ),
)
