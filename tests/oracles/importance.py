"""Rescaling by bisection, the importance network clip by clip, guide loss and activeness by loops."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def rescale(log_scores: Sequence[float], n_kept: int) -> list[float]:
    """min(c s', 1) with the sum n_kept; log c by bisection. Scores too few to fill n_kept leave the rest to zeros."""
    positive = [value for value in log_scores if value > -math.inf]
    if n_kept >= len(log_scores):
        return [1.0] * len(log_scores)
    if n_kept >= len(positive):
        rest = (n_kept - len(positive)) / (len(log_scores) - len(positive))
        return [1.0 if value > -math.inf else rest for value in log_scores]
    low, high = (
        -max(positive) - math.log(len(log_scores)) - 1.0,
        -min(positive) + 1.0,
    )  # sum < 1; sum = all of them
    for _ in range(200):
        middle = (low + high) / 2
        total = math.fsum(math.exp(min(middle + value, 0.0)) for value in log_scores)
        low, high = (middle, high) if total < n_kept else (low, middle)
    return [math.exp(min(low + value, 0.0)) for value in log_scores]


def rescale_paper(scores: Sequence[float], n_kept: int) -> list[float]:
    """s~ = s' t / sum s', divided by its largest element where that exceeds one."""
    tilde = [score * n_kept / math.fsum(scores) for score in scores]
    return [value / max(max(tilde), 1.0) for value in tilde]


def frame_energy(spectrogram: Tensor) -> list[float]:
    """(band, frame) -> the root mean square over bands, a number a frame"""
    return [math.sqrt(sum(x * x for x in frame) / len(frame)) for frame in spectrogram.T.tolist()]


def guide_loss(importance: Sequence[float], empty: Sequence[bool], normalizer: float, guide_lambda: float) -> float:
    """Eq. 7 of one clip, positive: the mean over empty frames of (s / normalizer - lambda)+."""
    terms = [max(s / normalizer - guide_lambda, 0.0) for s, e in zip(importance, empty, strict=True) if e]
    return sum(terms) / len(terms) if terms else 0.0


def activeness(importance: Sequence[float], active: Sequence[bool], normalizer: float) -> float:
    """Eq. 4 of one clip: the standard deviation over the frames that are not empty, over the normalizer."""
    values = [s for s, a in zip(importance, active, strict=True) if a]
    if not values:
        return 0.0
    average = sum(values) / len(values)
    return math.sqrt(sum((s - average) ** 2 for s in values) / len(values)) / normalizer


def batch_norm(clips: list[Tensor], norm: nn.BatchNorm2d, training: bool) -> list[Tensor]:
    """(channel, frame) clips -> the same, normalised by what all their frames have in common."""
    mean, var = norm.running_mean, norm.running_var
    if training:
        frames = torch.cat(clips, dim=1)
        mean, var = frames.mean(dim=1), frames.var(dim=1, unbiased=False)
    assert mean is not None
    assert var is not None
    column = (slice(None), None)
    scale = norm.weight[column] / (var[column] + norm.eps).sqrt()
    return [(clip - mean[column]) * scale + norm.bias[column] for clip in clips]


def network(module: nn.Module, clips: list[Tensor], training: bool, last_activation: bool) -> list[Tensor]:
    """ResConv1d blocks, each clip for itself and unpadded: (band, frame) -> (channel, frame).

    The convolutions and batch norms are taken from `module` in the order in which it holds them, two a block.
    """
    convs = [m for m in module.modules() if isinstance(m, nn.Conv1d)]
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(convs) == len(norms)
    for layer, (conv, norm) in enumerate(zip(convs, norms, strict=True)):
        dilation, reach = conv.dilation, conv.dilation[0] * (conv.kernel_size[0] // 2)
        out = [F.conv1d(clip[None], conv.weight, conv.bias, padding=reach, dilation=dilation)[0] for clip in clips]
        out = batch_norm(out, norm, training)
        if last_activation or layer + 1 < len(convs):
            out = [F.leaky_relu(clip) for clip in out]
        clips = [a + b for a, b in zip(clips, out, strict=True)] if layer % 2 else out
    return clips
