"""The post's models as the few-data laboratory trains them: a compression, a backbone and a head on mel energies."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from tenuto.errors import UsageError
from tenuto.experiments.fewshot_energies import build_quietly
from tenuto.experiments.fewshot_settings import FewshotSettings
from tenuto.frontend.compression import Compression
from tenuto.models.backbones import SBCNN, Backbone
from tenuto.models.heads import ClassScores, Head, MeanPooling
from tenuto.models.prototypes import Prototypes
from tenuto.models.settings import CompressionName
from tenuto.models.timbre import Timbre
from tenuto.models.vgg import VGG

N_FILTERS = {"vgg": 32, "vgg128": 128, "prototypes": 32, "prototypes128": 128}


class FewshotModel(nn.Module):
    """Energies of patches (patch, band, frame) -> logits (patch, class)."""

    def __init__(self, compression: Compression, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.compression, self.backbone, self.head = compression, backbone, head

    def maps(self, energies: Tensor) -> Tensor:
        """Energies (patch, band, frame) -> the backbone's maps or vectors."""
        maps: Tensor = self.backbone(self.compression(energies)[:, None])
        return maps

    def forward(self, energies: Tensor) -> Tensor:
        """Energies (patch, band, frame) -> logits (patch, class)."""
        logits: Tensor = self.head(self.maps(energies))
        return logits


def build_model(name: str, compression: str, n_classes: int, settings: FewshotSettings) -> FewshotModel:
    """A model of `fewshot_settings.MODELS` with fresh weights.

    In the form of fixed patches (as published at 128 bands x 128 frames) where patches are large enough for it, else
    in the one that takes any size.
    """
    front = build_quietly(settings.frontend(cast(CompressionName, compression)))
    backbone = _backbone(name, n_classes, settings)
    return FewshotModel(front.compression, backbone, _head(name, backbone.n_features, n_classes))


def _backbone(name: str, n_classes: int, settings: FewshotSettings) -> Backbone:
    """Input batch-normalised, as the authors' code does for all of them; SB-CNN without batch norm behind it."""
    n_bands, n_frames = settings.n_mels, settings.n_frames
    if name == "timbre":
        return Timbre(1, n_bands, n_classes, n_frames if n_frames >= 7 else None)
    try:
        if name == "sbcnn":
            return SBCNN(1, n_bands, n_frames, batch_norm=False)
        return VGG(1, n_bands, N_FILTERS[name], n_frames)
    except UsageError:  # too small a patch for it
        return SBCNN(1, n_bands) if name == "sbcnn" else VGG(1, n_bands, N_FILTERS[name])


def _head(name: str, n_features: int, n_classes: int) -> Head:
    if name == "timbre":
        return ClassScores(n_classes)
    return Prototypes(n_features, n_classes) if name.startswith("prototypes") else MeanPooling(n_features, n_classes)


def learned_compression(model: FewshotModel) -> dict[str, float]:
    """alpha and beta as they stand, of a compression that has them."""
    found = {name: getattr(model.compression, name, None) for name in ("alpha", "beta")}
    return {name: value.item() for name, value in found.items() if isinstance(value, torch.Tensor) and value.ndim == 0}
