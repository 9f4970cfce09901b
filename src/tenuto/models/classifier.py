"""Waveforms to classes: front end, backbone and head in one call, with what the front end has to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from tenuto.errors import UsageError
from tenuto.frontend.frontend import Frontend
from tenuto.frontend.lengths import eager_on_cpu, seen_whole
from tenuto.models.backbones import Backbone
from tenuto.models.heads import Head
from tenuto.models.prototypes import Prototypes
from tenuto.models.settings import FrontendSettings, ModelSettings

if TYPE_CHECKING:
    from tenuto.frontend.output import ResolutionOutput

Activation = Literal["sigmoid", "softmax"]


@dataclass
class ClassifierOutput:
    """logits (batch, class), and the front end's output: features, lengths, importance, losses."""

    logits: Tensor
    resolution: ResolutionOutput


class Classifier(nn.Module):
    """A front end, a backbone and a head that fit each other, and the names of the classes.

    Args:
        labels: names of the classes, in the order of the logits.
        multi_label: several labels may hold for one clip.
        activation: what makes logits probabilities: "sigmoid" (each class for itself, trained by binary cross
            entropy, as the paper does) or "softmax" (one class of all, trained by cross entropy).
        settings: what it was built from, without which it cannot be saved; `build_classifier` gives them.

    Raises:
        UsageError: labels that are empty, double or of another number than the head's classes, or softmax for
            several labels a clip.
    """

    def __init__(
        self,
        frontend: Frontend,
        backbone: Backbone,
        head: Head,
        labels: Sequence[str],
        *,
        multi_label: bool = False,
        activation: Activation = "sigmoid",
        settings: tuple[FrontendSettings, ModelSettings] | None = None,
    ) -> None:
        super().__init__()
        check_labels(labels, multi_label, activation)
        if head.n_classes != len(labels):
            raise UsageError(f"{len(labels)} labels for a head of {head.n_classes} classes: give one a class")
        self.frontend, self.backbone, self.head = frontend, backbone, head
        self.labels = tuple(labels)
        self.multi_label = multi_label
        self.activation: Activation = activation
        self.settings = settings
        self.clip_seconds: float | None = None  # length of the clips it was trained on; None: each its own

    @property
    def sample_rate(self) -> int:
        """Sample rate that waveforms must have, in Hz."""
        rate: int = self.frontend.sample_rate
        return rate

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> ClassifierOutput:
        """waveforms (batch, samples) in [-1, 1], lengths (batch,) samples or None: all -> logits"""
        maps, valid, resolution = self._maps(waveforms, lengths)
        return ClassifierOutput(self.head(maps, valid), resolution)

    def embed(self, waveforms: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, ResolutionOutput]:
        """What a head of prototypes measures distances between: waveforms -> embeddings (batch, feature).

        Raises:
            UsageError: another head.
        """
        if not isinstance(self.head, Prototypes):
            raise UsageError(f"embeddings are of a head of prototypes, and this is {type(self.head).__name__}")
        maps, valid, resolution = self._maps(waveforms, lengths)
        return self.head.embed(maps, valid), resolution

    def _maps(self, waveforms: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None, ResolutionOutput]:
        """Maps or vectors of the backbone, valid frames of the maps (batch,) or None: all, the front end's output."""
        resolution = self.frontend(waveforms, lengths)
        kept = None if self._nothing_to_mask(lengths, resolution.features) else resolution.lengths
        maps = self.backbone(resolution.features, kept)
        if kept is not None:
            kept = None if maps.ndim == 2 else self._map_lengths(kept, resolution.features, maps)
        return maps, kept, resolution

    def _nothing_to_mask(self, lengths: Tensor | None, features: Tensor) -> bool:
        """Whether all of the features (batch, channel, band, kept) is sound: without lengths, or as is seen of them."""
        if lengths is None:
            return True
        n_kept = features.shape[-1]
        return eager_on_cpu(lengths) and seen_whole(self.frontend.kept(lengths.to(torch.int64)), n_kept)

    def _map_lengths(self, kept: Tensor, features: Tensor, maps: Tensor) -> Tensor:
        lengths: Tensor = self.backbone.map_lengths(kept, features.shape[-1], maps.shape[-1])
        return lengths

    def probabilities(self, logits: Tensor) -> Tensor:
        """logits (batch, class) -> probabilities (batch, class); with "sigmoid" they need not sum to one."""
        return logits.sigmoid() if self.activation == "sigmoid" else logits.softmax(-1)


def check_labels(labels: Sequence[str], multi_label: bool, activation: str) -> None:
    """Raises UsageError unless `labels` name at least one class, each once, and `activation` suits them."""
    if activation not in ("sigmoid", "softmax"):
        raise UsageError(f"activation {activation!r}: wanted 'sigmoid' or 'softmax'")
    if not labels or not all(isinstance(label, str) and label for label in labels):
        raise UsageError(f"labels {list(labels)!r}: wanted at least one name, none of them empty")
    double = sorted({label for label in labels if list(labels).count(label) > 1})
    if double:
        raise UsageError(f"labels {', '.join(double)} are given twice: each class has one name")
    if activation == "softmax" and multi_label:
        raise UsageError("softmax (cross entropy) gives one label a clip: for several use sigmoid (loss 'bce')")
