"""The paper's Table 2: spectrograms of smaller hops, of which as many frames reach the classifier as ever."""

from __future__ import annotations

from tenuto.experiments.experiment import DIFFRES, FULL_FPS, HOP_MS, LOGMEL, Experiment, System
from tenuto.experiments.grid import Column
from tenuto.experiments.paper import TABLE2 as PRINTED
from tenuto.experiments.paper import Printed


def _printed(paper_set: str, system: System, column: Column) -> Printed | None:
    in_table = system.name in ("logmel", "diffres") and column.fps == FULL_FPS
    return PRINTED.get(paper_set, {}).get(column.hop_ms) if in_table else None


TABLE2 = Experiment(
    name="table2",
    title="Table 2",
    help="hops of 10, 6, 3 and 1 ms, of which 100 frames a second reach the classifier",
    caption="Learning from spectrograms of a smaller hop with the same number of frames, percent; in brackets the "
    "paper's numbers. †: not below the log-mel with a hop of 10 ms.",
    systems=(
        LOGMEL,
        System("avgpool", "AvgPool", "avgpool"),
        System("convavgpool", "ConvAvgPool", "convavgpool"),
        DIFFRES,
    ),
    baseline_head="10 ms, log-mel",
    chosen=("logmel", "diffres"),
    reference="avgpool",
    fps=(FULL_FPS,),
    hops=(10.0, 6.0, 3.0, 1.0),
    head=lambda system, column: f"{column.hop_ms:g} ms",
    row=lambda system, column: {"FPS": f"{column.fps:g}", "Method": system.head},
    printed=_printed,
    own=lambda column: column.hop_ms != HOP_MS,
    across_hops=True,
    averaged=True,
    notes=(
        "Hop: of the spectrogram before time is reduced; as many frames a second reach the classifier at every hop.",
    ),
)
