"""The paper's Figures 6 and 7: activeness and guide loss over training at each frame rate, from Table 1's trainings."""

from __future__ import annotations

from tenuto.experiments.experiment import DIFFRES, Experiment
from tenuto.experiments.table1 import TABLE1


def _over_training(name: str, title: str, what: str, quantity: str) -> Experiment:
    return Experiment(
        name=name,
        title=title,
        help=f"{what} over training at each frame rate, from the folder of table1",
        caption=f"{what.capitalize()} of DiffRes at the end of training, under both normalisers.",
        systems=(DIFFRES,),
        baseline_head="DiffRes",
        fps=TABLE1.fps,
        curves=(quantity,),
        table=False,
        store=TABLE1.name,
    )


FIGURE6 = _over_training("figure6", "Figure 6", "activeness", "activeness")
FIGURE7 = _over_training("figure7", "Figure 7", "guide loss", "guide_loss")
