"""What a person sees while a model trains: a bar on a terminal, a line an epoch elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from tqdm import tqdm

from tenuto.training.module import TrainingModule

Say = Callable[[str], None]


def epoch_line(row: dict[str, float], n_epochs: int, metric: str) -> str:
    """One row of the curves, for people."""
    parts = [f"epoch {row['epoch']:.0f}/{n_epochs}", f"loss {row['train_loss']:.4f}"]
    if row["activeness"]:
        parts += [f"guide loss {row['guide_loss']:.4f}", f"activeness {row['activeness']:.3f}"]
    if f"valid_{metric}" in row:
        parts += [f"validation loss {row['valid_loss']:.4f}", f"{metric} {100 * row[f'valid_{metric}']:.1f} %"]
    return " · ".join([*parts, f"{row['seconds']:.1f} s"])


class ProgressBar(Callback):
    """A bar an epoch, with loss and activeness of the epoch so far and the last epoch's validation metric."""

    def __init__(self, n_epochs: int, metric: str) -> None:
        self.n_epochs, self.metric = n_epochs, metric
        self.bar: Any = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, TrainingModule)
        title = f"epoch {pl_module.epoch}/{self.n_epochs}"
        self.bar = tqdm(total=int(trainer.num_training_batches), desc=title, leave=False, file=sys.stderr)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        assert isinstance(pl_module, TrainingModule)
        if self.bar.update(1):  # drawn only now and then, so that figures are fetched only then
            values = {name: f"{value:.4f}" for name, value in pl_module.means().items()}
            curves = pl_module.state.curves
            if curves and f"valid_{self.metric}" in curves[-1]:
                values[self.metric] = f"{100 * curves[-1][f'valid_{self.metric}']:.1f} %"
            self.bar.set_postfix(values, refresh=False)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.bar.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if self.bar is not None:
            self.bar.close()
