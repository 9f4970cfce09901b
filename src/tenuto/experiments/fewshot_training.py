"""One small training on cached energies, and its test: a plain loop, for there are thousands of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tenuto.experiments.fewshot_models import FewshotModel
from tenuto.experiments.fewshot_patches import Clips, spread_offsets
from tenuto.experiments.fewshot_settings import FewshotSettings
from tenuto.models.prototypes import Prototypes, episode_loss

N_SUPPORT = N_QUERY = 5  # clips a class of an episode, as the authors' code
N_WINDOW, RELATIVE_FALL, LOW_LOSS = 15, 0.02, 0.02  # of `plateau`


@dataclass(frozen=True)
class Labelled:
    """Some of the clips, (clip,), and their classes from 0, (clip,)."""

    clips: Clips
    indices: NDArray[np.int64]
    targets: NDArray[np.int64]


def train(model: FewshotModel, data: Labelled, settings: FewshotSettings, seed: int) -> list[float]:
    """Trains in place on the clips of a draw; returns each epoch's mean loss.

    `seed` decides the patches and the order of the clips; torch's own seed decides dropout.
    """
    random = np.random.default_rng(seed)
    optimizer = _optimizer(model, settings)
    batches = _episodes if isinstance(model.head, Prototypes) else _batches
    held = Labelled(data.clips.loaded(data.indices), np.arange(len(data.indices)), data.targets)
    losses: list[float] = []
    model.train()
    for _ in range(settings.epochs):
        steps = [
            _step(model, optimizer, *_patches(held, chosen, settings, random), settings)
            for chosen in batches(held.targets, settings, random)
        ]
        losses.append(float(np.average([loss for loss, _ in steps], weights=[n for _, n in steps])))
        if settings.converge and plateau(losses):
            break
    if isinstance(model.head, Prototypes):
        _set_prototypes(model, model.head, held, settings)
    return losses


def plateau(losses: Sequence[float]) -> bool:
    """Whether the mean loss of the last 15 epochs is below 0.02 or not 2 % below that of the 15 before.

    Never before 45 epochs, so that a slow start is not taken for an end.
    """
    if len(losses) < 3 * N_WINDOW:
        return False
    last, before = np.mean(losses[-N_WINDOW:]), np.mean(losses[-2 * N_WINDOW : -N_WINDOW])
    return bool(last < LOW_LOSS or last > (1 - RELATIVE_FALL) * before)


@torch.no_grad()
def probabilities(model: FewshotModel, data: Labelled, settings: FewshotSettings) -> Tensor:
    """(clip, class): the mean over a clip's patches of the softmax over classes."""
    model.eval()
    total = torch.zeros(len(data.indices), model.head.n_classes)
    for owner, patches in _tested(data, settings):
        total.index_add_(0, owner, model(patches).softmax(1))
    return total / total.sum(1, keepdim=True)


def accuracy(model: FewshotModel, data: Labelled, settings: FewshotSettings) -> float:
    """Share of the clips whose most probable class is theirs."""
    answers = probabilities(model, data, settings).argmax(1)
    return float((answers == torch.from_numpy(data.targets)).double().mean())


def _optimizer(model: FewshotModel, settings: FewshotSettings) -> torch.optim.Optimizer:
    """Gradient descent without momentum; weight decay on kernels alone, and none for prototypes."""
    decay = 0.0 if isinstance(model.head, Prototypes) else settings.weight_decay
    kernels = [weight for weight in model.parameters() if weight.ndim > 1]
    others = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.SGD([group for group in groups if group["params"]], lr=settings.learning_rate)


def _step(
    model: FewshotModel, optimizer: torch.optim.Optimizer, patches: Tensor, targets: Tensor, settings: FewshotSettings
) -> tuple[float, int]:
    """One descent on a batch: its loss before and how many patches it had."""
    maps = model.maps(patches)
    if isinstance(model.head, Prototypes):
        loss = episode_loss(model.head.embed(maps), targets, N_SUPPORT, N_QUERY)
    else:
        loss = F.cross_entropy(model.head(maps), targets)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
    optimizer.step()
    return float(loss.detach()), len(targets)


def _batches(
    targets: NDArray[np.int64], settings: FewshotSettings, random: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Every clip once in an order by lot, in batches; a last one of a single clip joins the one before."""
    order = random.permutation(len(targets))
    ends = list(range(settings.batch_size, len(order) - 1, settings.batch_size))
    yield from np.split(order, ends)


def _episodes(
    targets: NDArray[np.int64], settings: FewshotSettings, random: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Support and query of all classes by lot; a single clip comes twice, as two patches.

    As many episodes as it takes to have about as many queries as there are clips.
    """
    members = [np.flatnonzero(targets == label) for label in np.unique(targets)]
    for _ in range(-(-len(targets) // (len(members) * N_QUERY))):
        chosen = [random.permutation(each)[: N_SUPPORT + N_QUERY] for each in members]
        yield np.concatenate([np.repeat(each, 2) if len(each) == 1 else each for each in chosen])


def _patches(
    data: Labelled, chosen: NDArray[np.int64], settings: FewshotSettings, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """One random patch of each chosen clip and its class: (patch, band, frame), (patch,)."""
    clips = data.indices[chosen]
    offsets = data.clips.random_offsets(clips, settings.n_frames, random)
    return data.clips.cut(clips, offsets, settings.n_frames), torch.from_numpy(data.targets[chosen])


def _tested(data: Labelled, settings: FewshotSettings) -> Iterator[tuple[Tensor, Tensor]]:
    """All patches that clips are tested on, in batches: whose they are, by position (patch,), and the patches."""
    n_frames = data.clips.n_frames[data.indices]
    offsets = [spread_offsets(int(each), settings.n_frames, settings.max_patches) for each in n_frames]
    owner, offset = np.repeat(np.arange(len(offsets)), [len(each) for each in offsets]), np.concatenate(offsets)
    for begin in range(0, len(owner), settings.batch_size):
        part = slice(begin, begin + settings.batch_size)
        patches = data.clips.cut(data.indices[owner[part]], offset[part], settings.n_frames)
        yield torch.from_numpy(owner[part]), patches


@torch.no_grad()
def _set_prototypes(model: FewshotModel, head: Prototypes, data: Labelled, settings: FewshotSettings) -> None:
    """The means of the training clips' embeddings, each clip by the patches that it would be tested on."""
    model.eval()
    found = [(head.embed(model.maps(patches)), owner) for owner, patches in _tested(data, settings)]
    owner = torch.cat([each for _, each in found])
    head.set_prototypes(torch.cat([each for each, _ in found]), torch.from_numpy(data.targets)[owner])
