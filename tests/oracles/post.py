"""The networks of the post, a position at a time, in the layout of the authors' code (batch, frame, band, channel).

After models_sl.py and models_proto.py of github.com/jordipons/neural-classifiers-with-few-audio (TensorFlow 1).
Weights are (frame, band, channel in, channel out). `same` is the form for any size, which pads and rounds up.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tenuto.models.backbones import SBCNN
from tenuto.models.normalize import MaskedBatchNorm
from tenuto.models.timbre import Timbre
from tenuto.models.vgg import VGG

EPSILON = 1e-5


def to_theirs(features: Tensor) -> Tensor:
    """(batch, channel, band, frame) -> (batch, frame, band, channel)"""
    return features.permute(0, 3, 2, 1)


def convolve(x: Tensor, conv: nn.Conv2d, n_padded: tuple[int, int] = (0, 0)) -> Tensor:
    """Slides the weights of `conv` over x, padded with so many frames and bands of zeros on either side."""
    weight = conv.weight.permute(3, 2, 1, 0)
    frames, bands = n_padded
    x = torch.nn.functional.pad(x, (0, 0, bands, bands, frames, frames))
    n_frames, n_bands = x.shape[1] - weight.shape[0] + 1, x.shape[2] - weight.shape[1] + 1
    out = x.new_zeros(len(x), n_frames, n_bands, weight.shape[3])
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            out += x[:, i : i + n_frames, j : j + n_bands] @ weight[i, j]
    assert conv.bias is not None
    return out + conv.bias


def normalise(x: Tensor, module: MaskedBatchNorm | None) -> Tensor:
    """Batch norm, with the batch's own statistics while training."""
    if module is None:
        return x
    norm = module.norm
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2), unbiased=False)
    if not norm.training:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, variance = norm.running_mean, norm.running_var
    return (x - mean) / torch.sqrt(variance + EPSILON) * norm.weight + norm.bias


def pool(x: Tensor, n_frames: int, n_bands: int, *, same: bool) -> Tensor:
    """The maximum of each window, what is left over at the ends a smaller window (same) or none."""

    def starts(n: int, step: int) -> range:
        return range(0, n if same else n - step + 1, step)

    rows = [
        torch.stack([x[:, i : i + n_frames, j : j + n_bands].amax((1, 2)) for j in starts(x.shape[2], n_bands)], 1)
        for i in starts(x.shape[1], n_frames)
    ]
    return torch.stack(rows, 1)


def elu(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.exp(x.clamp_max(0)) - 1)


def vgg(features: Tensor, network: VGG) -> Tensor:
    """-> (batch, frame / 32, band / 32, filter)"""
    x = normalise(to_theirs(features), network.input_norm)
    for layer in network.layers:
        x = normalise(elu(convolve(x, layer.conv, (1, 1))), layer.norm)  # type: ignore[arg-type]
        x = pool(x, 2, 2, same=network.n_frames is None)
    return x


def timbre(features: Tensor, network: Timbre) -> Tensor:
    """-> (batch, class)"""
    n_padded = (3 if network.n_frames is None else 0, 0)
    return convolve(normalise(to_theirs(features), network.input_norm), network.conv, n_padded).amax((1, 2))


def sb_cnn(features: Tensor, network: SBCNN) -> Tensor:
    """The published form, in evaluation mode: -> (batch, 64)"""
    x = normalise(to_theirs(features), network.input_norm)
    for block, pooled in zip(network.blocks, (True, True, False), strict=True):
        x = convolve(x, block.conv).clamp_min(0)  # type: ignore[arg-type]
        x = pool(x, 4, 2, same=False) if pooled else x
    dense = network.dense.weight.permute(3, 2, 1, 0)  # (frame, band, channel, unit)
    assert network.dense.bias is not None
    return (x.flatten(1) @ dense.flatten(0, 2) + network.dense.bias).clamp_min(0)
