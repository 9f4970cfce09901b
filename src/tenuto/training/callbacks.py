"""What happens after every epoch: validation, the curves, the checkpoints, and whether to go on."""

from __future__ import annotations

import math
import shutil
import time
import warnings
from collections.abc import Iterable

from lightning.pytorch import Callback, LightningModule, Trainer

from tenuto.data.batching import Batch
from tenuto.errors import WorkError
from tenuto.training import metrics
from tenuto.training.evaluate import score
from tenuto.training.measures import OtherNormalizer
from tenuto.training.module import TrainingModule, learning_rate_at
from tenuto.training.progress import Say, epoch_line
from tenuto.training.recipe import TrainingSettings
from tenuto.training.runs import RunFolder
from tenuto.training.state import TrainingState, save_state, save_weights
from tenuto.training.tables import write_csv

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # tensorboard's own imports
    from torch.utils.tensorboard import SummaryWriter


class EpochEnd(Callback):
    """Validates, writes curves.csv, TensorBoard events, best.ckpt and (last of all) last.ckpt; stops early.

    An epoch counts as finished once last.ckpt has it. One killed before that is repeated with the same outcome.
    """

    def __init__(
        self, folder: RunFolder, validation: Iterable[Batch] | None, multi_label: bool, n_epochs: int, say: Say
    ) -> None:
        self.folder, self.validation, self.multi_label = folder, validation, multi_label
        self.n_epochs, self.say = n_epochs, say
        self.metric = "mAP" if multi_label else "accuracy"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, TrainingModule)
        self.events = SummaryWriter(str(self.folder.root / "tensorboard"), purge_step=pl_module.epoch)
        self.other = OtherNormalizer(pl_module.classifier.frontend.resolution)
        self.began = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, TrainingModule)
        row = self._row(pl_module) | {"steps": float(pl_module.epoch * trainer.num_training_batches)}
        state, settings = pl_module.state, pl_module.recipe.training
        state.epoch = pl_module.epoch
        if self.validation is not None and better(row, state, self.metric):
            state.best_epoch, state.best_score = state.epoch, rank(row, self.metric)
            save_weights(pl_module.classifier.state_dict(), self.folder.best)
        state.finished = state.epoch == self.n_epochs or out_of_patience(state, settings)
        now = time.perf_counter()
        row["seconds"], self.began = now - self.began, now
        state.curves.append(row)
        self._write(trainer, pl_module)
        self.say(epoch_line(row, self.n_epochs, self.metric))
        trainer.should_stop = state.finished

    def _row(self, module: TrainingModule) -> dict[str, float]:
        """The epoch's figures; raises WorkError where the training has come apart."""
        means = module.means()
        if not all(math.isfinite(value) for value in means.values()):
            raise WorkError(
                f"the loss is no longer a number in epoch {module.epoch}: lower training.learning_rate "
                f"(now {module.recipe.training.learning_rate:g}) or set training.precision=32-true"
            )
        row = {"epoch": float(module.epoch), "train_loss": means["loss"]}
        row |= {"guide_loss": means["guide_loss"], "activeness": means["activeness"], **self.other.means()}
        if self.validation is not None:
            scores = score(module.classifier, self.validation, module.recipe.training.loss)
            found = metrics.summary(scores.probabilities, scores.targets, self.multi_label)
            row |= {"valid_loss": scores.loss, "valid_accuracy": found["accuracy"], "valid_mAP": found["mAP"]}
        return row | {"learning_rate": learning_rate_at(module.epoch, module.recipe.training)}

    def _write(self, trainer: Trainer, module: TrainingModule) -> None:
        state = module.state
        state.model = module.classifier.state_dict()
        state.optimizer = trainer.optimizers[0].state_dict()
        state.precision = trainer.precision_plugin.state_dict()
        write_csv(self.folder.curves, state.curves)
        for name, value in state.curves[-1].items():
            self.events.add_scalar(name, value, state.epoch)
        self.events.flush()
        save_state(state, self.folder.last)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if hasattr(self, "events"):
            self.events.close()
            self.other.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leaves nothing of a first epoch that failed, so that the folder is free for a recipe that does not."""
        self.teardown(trainer, pl_module, "fit")
        if not self.folder.last.exists():
            shutil.rmtree(self.folder.root / "tensorboard", ignore_errors=True)
            self.folder.best.unlink(missing_ok=True)
            self.folder.curves.unlink(missing_ok=True)


def rank(row: dict[str, float], metric: str) -> list[float]:
    """What epochs are compared by: the validation metric, and where it ties (few clips) the validation loss."""
    value = row[f"valid_{metric}"]
    return [value if math.isfinite(value) else -1.0, -row["valid_loss"]]


def better(row: dict[str, float], state: TrainingState, metric: str) -> bool:
    """Whether this epoch did better on the validation part than all before it."""
    return not state.best_score or rank(row, metric) > state.best_score


def out_of_patience(state: TrainingState, settings: TrainingSettings) -> bool:
    """Whether `patience` epochs have passed without a better one."""
    return settings.patience is not None and state.epoch - state.best_epoch >= settings.patience
