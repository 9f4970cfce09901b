"""The paper's Table 1: methods of reducing time at several frame rates."""

from __future__ import annotations

from tenuto.experiments.experiment import DIFFRES, LOGMEL, Experiment, System
from tenuto.experiments.grid import Column
from tenuto.experiments.paper import TABLE1 as PRINTED
from tenuto.experiments.paper import Printed


def _printed(paper_set: str, system: System, column: Column) -> Printed | None:
    return PRINTED[paper_set].get((system.method, column.fps))


TABLE1 = Experiment(
    name="table1",
    title="Table 1",
    help="methods of reducing time at several frame rates",
    caption="Temporal reduction methods, percent; in brackets the paper's numbers. "
    "†: not below the log-mel at 100 frames a second.",
    systems=(
        LOGMEL,
        System("changehop", "Change hop size", "changehop"),
        System("avgpool", "AvgPool", "avgpool"),
        System("convavgpool", "ConvAvgPool", "convavgpool"),
        DIFFRES,
    ),
    baseline_head="100 FPS baseline",
    reference="avgpool",
    fps=(25.0, 50.0, 75.0),
    printed=_printed,
)
