"""The tables by name."""

from __future__ import annotations

from tenuto.experiments.experiment import Experiment
from tenuto.experiments.table1 import TABLE1
from tenuto.experiments.table2 import TABLE2

EXPERIMENTS: dict[str, Experiment] = {each.name: each for each in (TABLE1, TABLE2)}
