"""What a GPU would be waited for, without one.

LEAF is not among the front ends: the values of its parameters choose its rates.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from pretended_gpu import THERE, WAITED_FOR, without_waiting
from tenuto.models.build import build_classifier
from tenuto.models.classifier import Classifier
from tenuto.models.settings import FrontendSettings, ModelSettings

LABELS = ("dog", "rain", "clock")
FRONT_ENDS = {
    "diffres": FrontendSettings(resolution="diffres", fps=25, n_mels=32),
    "diffres, masks": FrontendSettings(resolution="diffres", fps=25, n_mels=32, spec_augment=True),
    "diffres, pcen": FrontendSettings(resolution="diffres", fps=25, n_mels=32, compression="pcen"),
    "diffres, learnable": FrontendSettings(resolution="diffres", fps=25, n_mels=32, compression="learnable"),
    "avgpool": FrontendSettings(resolution="avgpool", fps=25, n_mels=32),
    "convavgpool": FrontendSettings(resolution="convavgpool", fps=25, n_mels=32),
    "sincnet": FrontendSettings(filterbank="sincnet", resolution="diffres", fps=25, n_mels=32),
    "time-domain": FrontendSettings(filterbank="time-domain", resolution="diffres", fps=25, n_mels=32),
    "none": FrontendSettings(resolution="none", n_mels=32),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("lengths", [[16000, 9000, 1], [16000, 16000, 16000], None], ids=str)
@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_where_lengths_are_seen_nothing_is_waited_for(
    front_end: str, lengths: list[int] | None, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lengths on a CPU tell the longest clip, or that all are whole; all else is decided by shapes."""
    head: Any = "attention" if lengths is None else "mean"
    classifier = build_classifier(FRONT_ENDS[front_end], ModelSettings(head=head), LABELS).train(training)

    def answer(there: Classifier) -> Tensor:
        seen = None if lengths is None else torch.tensor(lengths)
        output = there(torch.randn(3, 16000, device=THERE), seen)
        if training:
            (output.logits.sum() + output.resolution.guide_loss).backward()
        return output.logits

    with torch.set_grad_enabled(training):
        logits = without_waiting(classifier, answer, monkeypatch)
    assert logits.shape == (3, len(LABELS))
    assert logits.device == THERE


def test_lengths_on_a_gpu_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many frames the features have is then a value of the GPU's. (So the test above can fail.)"""
    classifier = build_classifier(FRONT_ENDS["diffres"], ModelSettings(), LABELS)
    given = torch.randn(2, 9000, device=THERE), torch.ones(2, dtype=torch.int64, device=THERE)
    with pytest.raises(WAITED_FOR, match="meta"):
        without_waiting(classifier, lambda there: there(*given), monkeypatch)


def test_a_copy_that_is_waited_for_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, number = torch.nn.Identity(), torch.ones(1)
    for copy in (lambda _: torch.tensor([1.0], device=THERE), lambda _: number.to(THERE)):
        with pytest.raises(WAITED_FOR, match="is waited for"):
            without_waiting(layer, copy, monkeypatch)
    assert without_waiting(layer, lambda _: number.to(THERE, non_blocking=True), monkeypatch).device == THERE
