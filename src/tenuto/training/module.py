"""The training step, for Lightning: forward, loss, Adam. Everything random is drawn from (seed, epoch)."""

from __future__ import annotations

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from tenuto.data.batching import Batch, ClipDataset, ClipLoader
from tenuto.data.episodes import EpisodeBatches
from tenuto.data.sampling import TrainBatches
from tenuto.frontend.output import ResolutionOutput
from tenuto.models.classifier import Classifier
from tenuto.models.prototypes import Prototypes, episode_loss
from tenuto.training.episodes import set_prototypes
from tenuto.training.evaluate import evaluation_batches
from tenuto.training.losses import objective
from tenuto.training.recipe import Recipe, TrainingSettings
from tenuto.training.state import TrainingState


def learning_rate_at(epoch: int, settings: TrainingSettings) -> float:
    """The rate in `epoch` (counted from 1): times gamma at the start epoch and at every n-th one after it (Table 4)."""
    if epoch < settings.schedule_start:
        return settings.learning_rate
    n_steps = (epoch - settings.schedule_start) // settings.schedule_every + 1
    return float(settings.learning_rate * settings.schedule_gamma**n_steps)


def epoch_seed(seed: int, epoch: int) -> int:
    """A seed of its own for every epoch of a training, so that one that is resumed draws what it would have drawn."""
    return (seed * 1_000_003 + epoch * 7_919) % 2**63


class TrainingModule(LightningModule):
    """Trains `classifier` from `state` on with the batches of `loader`."""

    def __init__(
        self, classifier: Classifier, recipe: Recipe, seed: int, state: TrainingState, loader: ClipLoader
    ) -> None:
        super().__init__()
        self.classifier, self.recipe, self.seed, self.state, self.loader = classifier, recipe, seed, state, loader
        self.first_epoch = state.epoch + 1
        self.steps: list[Tensor] = []  # of each step of the epoch: clips, then loss, guide loss, activeness times clips

    @property
    def epoch(self) -> int:
        """The epoch being trained, counted from 1 over all calls that resume it."""
        return self.first_epoch + int(self.trainer.current_epoch)

    def train_dataloader(self) -> ClipLoader:
        return self.loader

    def on_train_epoch_start(self) -> None:
        assert isinstance(self.loader.batch_sampler, TrainBatches | EpisodeBatches)
        self.loader.batch_sampler.set_epoch(self.epoch)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = learning_rate_at(self.epoch, self.recipe.training)
        self.steps.clear()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        if batch_idx == 0:  # not before: making an iterator of the loader draws a number, sooner or later
            torch.manual_seed(epoch_seed(self.seed, self.epoch))  # dropout, masks

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        return batch.to(device, non_blocking=True)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss, resolution = self._objective(batch)
        guide_loss, activeness = resolution.guide_loss, resolution.activeness
        n_clips = len(batch.targets)
        values = torch.stack([loss.float(), guide_loss.float(), activeness.float()]).detach() * n_clips
        self.steps.append(torch.cat([values.new_full((1,), n_clips), values]))
        return loss

    def _objective(self, batch: Batch) -> tuple[Tensor, ResolutionOutput]:
        """The loss of a batch, which to prototypes is an episode, and what the front end has to say of it."""
        settings, data = self.recipe.training, self.recipe.data
        if not isinstance(self.classifier.head, Prototypes):
            output = self.classifier(batch.waveforms, batch.lengths)
            guide_loss = output.resolution.guide_loss
            loss = objective(output.logits, batch.targets, guide_loss, settings.loss, settings.guide_weight)
            return loss, output.resolution
        embeddings, resolution = self.classifier.embed(batch.waveforms, batch.lengths)
        loss = episode_loss(embeddings, batch.targets.argmax(1), data.n_support, data.n_query)
        return loss + settings.guide_weight * resolution.guide_loss, resolution

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:
        """Ends an epoch with the prototypes of its weights, before anything is validated or saved."""
        if self.trainer.is_last_batch and isinstance(self.classifier.head, Prototypes):
            clips = self.loader.dataset
            assert isinstance(clips, ClipDataset)
            set_prototypes(self.classifier, evaluation_batches(self.classifier, clips, self.recipe.data.batch_size))

    def means(self) -> dict[str, float]:
        """Loss, guide loss and activeness a clip, over the epoch so far."""
        if not self.steps:
            return {}
        n_clips, *sums = torch.stack(self.steps).double().sum(0).tolist()
        return dict(zip(("loss", "guide_loss", "activeness"), (value / n_clips for value in sums), strict=True))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        settings = self.recipe.training
        optimizer = torch.optim.Adam(
            self.classifier.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        if self.state.optimizer:
            optimizer.load_state_dict(self.state.optimizer)
        return optimizer
