"""What prototypes need of a training: batches that are episodes, and the means of the training clips at its end."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from tenuto.data.batching import Batch
from tenuto.models.classifier import Classifier
from tenuto.models.prototypes import Prototypes


@torch.no_grad()
def set_prototypes(classifier: Classifier, batches: Iterable[Batch]) -> None:
    """Gives a head of prototypes those of the clips of `batches`, embedded in evaluation mode; other heads nothing.

    Raises:
        UsageError: a class of which there is no clip.
    """
    if not isinstance(classifier.head, Prototypes):
        return
    device = next(classifier.parameters()).device
    was_training = classifier.training
    classifier.eval()
    parts = []
    for batch in batches:
        there = batch.to(device)
        embeddings, _ = classifier.embed(there.waveforms, there.lengths)
        parts.append((embeddings, there.targets.argmax(1)))
    classifier.train(was_training)
    embeddings, labels = (torch.cat(part) for part in zip(*parts, strict=True))
    classifier.head.set_prototypes(embeddings, labels)
