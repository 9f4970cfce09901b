"""The batches of a training, as its recipe wants them: from where, how long, made by how many processes."""

from __future__ import annotations

import torch

from tenuto.data.audio import n_resampled
from tenuto.data.batching import ClipDataset, ClipLoader, choose_workers, n_cores, train_loader
from tenuto.data.cache import SampleCache
from tenuto.data.check import Report
from tenuto.data.episodes import EpisodeBatches, episode_loader
from tenuto.data.splits import Parts
from tenuto.errors import UsageError
from tenuto.models.classifier import Classifier
from tenuto.training.evaluate import evaluation_batches
from tenuto.training.progress import Say
from tenuto.training.recipe import Recipe


def datasets(parts: Parts, recipe: Recipe, report: Report, say: Say) -> dict[str, ClipDataset]:
    """train, valid and test clips as the recipe has them heard; cropped anywhere for training, in the middle else."""
    cache = _cache(parts, recipe, report, say)
    return {
        name: ClipDataset(
            clips,
            parts.labels,
            recipe.frontend.sample_rate,
            recipe.data.clip_seconds,
            random_crop=name == "train",
            cache_bytes=recipe.data.cache_mb << 20,
            cache=cache,
            facts=report.facts,
        )
        for name, clips in (("train", parts.train), ("valid", parts.valid), ("test", parts.test))
    }


def batches_to_train(clips: ClipDataset, recipe: Recipe, seed: int, say: Say) -> ClipLoader:
    """Batches made ahead of the training, by as many processes as the recipe wants and the machine has."""
    data, gpu = recipe.data, on_gpu(recipe)
    if (data.workers or 0) > n_cores():
        say(f"note: data.workers={data.workers}, of which {n_cores()} are used: there are no more processors")
    workers = choose_workers(data.workers, clips, data.batch_size, gpu)
    if recipe.model.head == "prototypes":
        episodes = EpisodeBatches(clips.targets, data.n_way, data.n_support, data.n_query, seed)
        return episode_loader(clips, episodes, workers, gpu)
    return train_loader(
        clips,
        data.batch_size,
        seed=seed,
        balanced=data.balanced,
        bucketed=data.bucketed,
        mixup=data.mixup,
        workers=workers,
        pin_memory=gpu,
    )


def batches_to_score(classifier: Classifier, clips: ClipDataset, recipe: Recipe, gpu: bool = False) -> ClipLoader:
    """Batches to test on; `gpu`: the classifier is there."""
    return evaluation_batches(classifier, clips, recipe.data.batch_size, recipe.data.workers, gpu)


def on_gpu(recipe: Recipe) -> bool:
    """Whether the training runs on a GPU."""
    return recipe.training.device != "cpu" and torch.cuda.is_available()


def check_device(recipe: Recipe) -> None:
    """Raises UsageError where the recipe asks for a GPU and there is none."""
    if recipe.training.device == "gpu" and not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        raise UsageError("training.device=gpu cannot be used (PyTorch finds no GPU here): use 'cpu', or 'auto'")


def _cache(parts: Parts, recipe: Recipe, report: Report, say: Say) -> SampleCache | None:
    """The decoded audio on disk that the recipe names, with all clips of this training in it."""
    folder, sample_format = recipe.data.cache, recipe.data.cache_format
    if folder is None:
        return None
    rate = recipe.frontend.sample_rate
    cache = SampleCache(folder, rate, sample_format)
    native = {clip.path: report.facts[clip.path] for clip in parts.clips}
    cache.fill({path: n_resampled(each.n_samples, each.sample_rate, rate) for path, each in native.items()}, say)
    return cache
