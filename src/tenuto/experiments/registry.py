"""The tables by name."""

from __future__ import annotations

from tenuto.experiments.experiment import Experiment
from tenuto.experiments.figure8 import FIGURE8
from tenuto.experiments.figure10 import FIGURE10
from tenuto.experiments.figures67 import FIGURE6, FIGURE7
from tenuto.experiments.fsd50k import FSD50K_AT_15FPS
from tenuto.experiments.sweeps import SWEEP_DILATION, SWEEP_LAMBDA
from tenuto.experiments.table1 import TABLE1
from tenuto.experiments.table2 import TABLE2
from tenuto.experiments.table3 import TABLE3

_ALL = (TABLE1, TABLE2, TABLE3, FIGURE6, FIGURE7, FIGURE8, FIGURE10, FSD50K_AT_15FPS, SWEEP_LAMBDA, SWEEP_DILATION)
EXPERIMENTS: dict[str, Experiment] = {each.name: each for each in _ALL}
