"""The training objective: classification plus guide loss, both positive (the paper prints Eqs. 7 and 8 without)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

LossName = Literal["bce", "ce"]


def classification_loss(logits: Tensor, targets: Tensor, loss: LossName = "bce") -> Tensor:
    """Cross entropy between logits and targets in [0, 1] (mixed clips have parts of labels).

    (batch, class), (batch, class) -> (): "bce" the mean over classes of Eq. 8, with the minus it lacks;
    "ce" the cross entropy of the softmax, for one label a clip.
    """
    if loss == "bce":
        return F.binary_cross_entropy_with_logits(logits, targets)
    return F.cross_entropy(logits, targets)


def objective(
    logits: Tensor, targets: Tensor, guide_loss: Tensor, loss: LossName = "bce", guide_weight: float = 1.0
) -> Tensor:
    """L = L_guide + L_bce (section 2.3), the guide loss (0-d) weighted; 0-d."""
    return classification_loss(logits, targets, loss) + guide_weight * guide_loss
