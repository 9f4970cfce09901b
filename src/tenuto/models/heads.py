"""Maps to logits: attention pooling as in PSLA, the mean, and nothing. (`Prototypes` has a file of its own.)"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from tenuto.frontend.lengths import length_mask

EPSILON = 1e-7  # PSLA's bound on attention and probability, away from 0 and 1


class Head(nn.Module, ABC):
    """maps (batch, feature, band', frame') or vectors (batch, feature) -> logits (batch, class)."""

    n_classes: int

    @abstractmethod
    def forward(self, maps: Tensor, lengths: Tensor | None = None) -> Tensor:
        """maps or vectors, lengths (batch,) valid frames of the maps -> logits (batch, class), float32."""


class AttentionPooling(Head):
    """PSLA's multi-head attention pooling (Gong et al. 2021, arXiv 2102.01243, Section III.C).

    On the maps' mean over bands each head h has an attention a = sigmoid(W_a x) and a classification
    c = sigmoid(W_c x), both (class, frame); a is normalised over the valid frames, and

        p = sum_h w_h sum_frame a c / sum_frame a

    with learned w_h, started at 1 / n_heads. Returned is the logit of p, kept 1e-7 away from 0 and 1, so that
    binary cross entropy with logits is PSLA's loss on p. One vector a clip counts as a single frame.
    """

    def __init__(self, n_features: int, n_classes: int, n_heads: int = 4) -> None:
        super().__init__()
        self.n_classes, self.n_heads = n_classes, n_heads
        self.attention = nn.Conv1d(n_features, n_heads * n_classes, 1)
        self.classification = nn.Conv1d(n_features, n_heads * n_classes, 1)
        self.head_weight = nn.Parameter(torch.full((n_heads,), 1 / n_heads))

    def forward(self, maps: Tensor, lengths: Tensor | None = None) -> Tensor:
        """maps (batch, feature, band', frame') -> logits (batch, class), within about 16 of 0."""
        with torch.autocast(maps.device.type, enabled=False):  # 1 - 1e-7 is 1 in half precision
            frames = _frames(maps.float())
            attention = self._heads(self.attention(frames)).sigmoid().clamp(EPSILON, 1 - EPSILON)
            if lengths is not None:
                attention = attention * length_mask(lengths, frames.shape[-1])[:, None, None, :]
            attention = attention / attention.sum(-1, keepdim=True)
            classification = self._heads(self.classification(frames)).sigmoid()
            probability = torch.einsum("bhct,bhct,h->bc", attention, classification, self.head_weight)
            return torch.logit(probability.clamp(EPSILON, 1 - EPSILON))

    def _heads(self, scores: Tensor) -> Tensor:
        """(batch, head x class, frame) -> (batch, head, class, frame)"""
        return scores.view(scores.shape[0], self.n_heads, self.n_classes, -1)


class MeanPooling(Head):
    """The mean over bands and valid frames, dropout, and one linear layer."""

    def __init__(self, n_features: int, n_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(n_features, n_classes)

    def forward(self, maps: Tensor, lengths: Tensor | None = None) -> Tensor:
        """maps (batch, feature, band', frame') -> logits (batch, class)"""
        with torch.autocast(maps.device.type, enabled=False):
            logits: Tensor = self.linear(self.dropout(mean_of_frames(maps.float(), lengths)))
            return logits


class ClassScores(Head):
    """Nothing more: the backbone's vectors are the logits (`Timbre`)."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.n_classes = n_classes

    def forward(self, maps: Tensor, lengths: Tensor | None = None) -> Tensor:
        """vectors (batch, class) -> logits (batch, class), the same"""
        return maps.float()


def mean_of_frames(maps: Tensor, lengths: Tensor | None = None) -> Tensor:
    """The mean over bands and valid frames: (batch, feature, band', frame') or vectors -> (batch, feature)"""
    frames = _frames(maps)
    if lengths is None:
        return frames.mean(-1)
    mask = length_mask(lengths, frames.shape[-1])[:, None, :]
    return (frames * mask).sum(-1) / lengths[:, None]


def _frames(maps: Tensor) -> Tensor:
    """maps (batch, feature, band', frame') or vectors (batch, feature) -> (batch, feature, frame' or 1)"""
    return maps.unsqueeze(-1) if maps.ndim == 2 else maps.mean(2)
