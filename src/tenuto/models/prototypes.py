"""Prototypical networks (Snell et al. 2017, arXiv 1703.05175): the nearest mean, in a space learned from episodes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenuto.errors import UsageError
from tenuto.models.heads import Head, mean_of_frames


def prototypes(embeddings: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    """Eq. 1, the mean of each class: embeddings (clip, feature), labels (clip,) from 0 -> (class, feature).

    Raises:
        UsageError: a class of which there is no clip.
    """
    n_clips = torch.bincount(labels, minlength=n_classes)
    missing = (n_clips == 0).nonzero().flatten().tolist()
    if missing:
        raise UsageError(f"{len(missing)} classes (first: {missing[0]}) have no clip: a prototype needs one at least")
    sums = embeddings.new_zeros(n_classes, embeddings.shape[1]).index_add(0, labels, embeddings)
    return sums / n_clips[:, None]


def squared_distances(embeddings: Tensor, prototypes: Tensor) -> Tensor:
    """Squared Euclidean distances: (clip, feature), (class, feature) -> (clip, class).

    The sum over features, as Snell et al.; the code of arXiv 1810.10274 takes their mean, which is a softmax at a
    temperature of as many features.
    """
    return (embeddings[:, None] - prototypes[None]).square().sum(-1)


def split_episode(labels: Tensor, n_support: int, n_query: int) -> tuple[Tensor, Tensor]:
    """Which clips of a batch are support and which query: labels (clip,) -> bool (clip,), bool (clip,).

    Of each class the first n_support clips and the n_query after them. A class of fewer shares out what it has, half
    of it at least to the support; one of a single clip has that on both sides.
    """
    same = labels[:, None] == labels[None]
    rank, n_clips = same.tril(-1).sum(1), same.sum(1)
    n_first = torch.maximum(n_clips - n_query, (n_clips + 1) // 2).clamp_max(n_support)
    return rank < n_first, ((rank >= n_first) & (rank < n_first + n_query)) | (n_clips == 1)


def episode_loss(embeddings: Tensor, labels: Tensor, n_support: int = 5, n_query: int = 5) -> Tensor:
    """Eq. 2 averaged over the queries of one episode: embeddings (clip, feature), labels (clip,) -> ().

    The classes of the episode are those that occur in `labels`; see `split_episode` for who is support and query.
    """
    support, query = split_episode(labels, n_support, n_query)
    classes = torch.bincount(labels).nonzero().flatten()
    position = torch.searchsorted(classes, labels)
    centres = prototypes(embeddings[support], position[support], len(classes))
    return F.cross_entropy(-squared_distances(embeddings[query], centres), position[query])


class Prototypes(Head):
    """The mean over bands and valid frames, dropout and one linear layer: an embedding; minus its squared distances.

    The prototypes are a buffer, saved with the weights, zero until `set_prototypes` has had an embedding of every
    training clip: until then every class is as likely as any other. Train it with `episode_loss` on `embed`.

    Args:
        n_embedding: features of the embedding, 10 in the code of arXiv 1810.10274.
    """

    prototypes: Tensor  # (class, feature)

    def __init__(self, n_features: int, n_classes: int, n_embedding: int = 10, dropout: float = 0.5) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(n_features, n_embedding)
        self.register_buffer("prototypes", torch.zeros(n_classes, n_embedding))

    def embed(self, maps: Tensor, lengths: Tensor | None = None) -> Tensor:
        """maps (batch, feature, band', frame') or vectors, lengths (batch,) -> embeddings (batch, n_embedding)"""
        with torch.autocast(maps.device.type, enabled=False):
            embeddings: Tensor = self.linear(self.dropout(mean_of_frames(maps.float(), lengths)))
            return embeddings

    def forward(self, maps: Tensor, lengths: Tensor | None = None) -> Tensor:
        """maps (batch, feature, band', frame') -> logits (batch, class), at most 0, for a softmax."""
        embeddings = self.embed(maps, lengths)
        with torch.autocast(maps.device.type, enabled=False):
            return -squared_distances(embeddings, self.prototypes)

    @torch.no_grad()
    def set_prototypes(self, embeddings: Tensor, labels: Tensor) -> None:
        """From embeddings (clip, n_embedding), made in evaluation mode, and labels (clip,) of the training clips.

        Raises:
            UsageError: a class of which there is no clip.
        """
        self.prototypes.copy_(prototypes(embeddings, labels, self.n_classes))
