"""What a GPU would be waited for, without one: tensors that pretend to lie there refuse to tell their values.

LEAF is not among them: the values of its parameters choose its rates.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from tenuto.frontend import _warp_torch, resolution
from tenuto.frontend import warp as operator
from tenuto.models.build import build_classifier
from tenuto.models.classifier import Classifier
from tenuto.models.settings import FrontendSettings, ModelSettings

N_CLIPS, N_SAMPLES, LABELS = 3, 16000, ("dog", "rain", "clock")
FRONT_ENDS = {
    "diffres": FrontendSettings(resolution="diffres", fps=25, n_mels=32),
    "diffres, masks": FrontendSettings(resolution="diffres", fps=25, n_mels=32, spec_augment=True),
    "diffres, pcen": FrontendSettings(resolution="diffres", fps=25, n_mels=32, compression="pcen"),
    "avgpool": FrontendSettings(resolution="avgpool", fps=25, n_mels=32),
    "convavgpool": FrontendSettings(resolution="convavgpool", fps=25, n_mels=32),
    "sincnet": FrontendSettings(filterbank="sincnet", resolution="diffres", fps=25, n_mels=32),
    "time-domain": FrontendSettings(filterbank="time-domain", resolution="diffres", fps=25, n_mels=32),
    "none": FrontendSettings(resolution="none", n_mels=32),
}


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Classifier], torch.Size]:
    """A classifier's answer to clips of different length on a GPU that is not there: its shape."""
    monkeypatch.setattr(operator, "eager_kernel", lambda importance: _warp_torch)  # no launch
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)

    def call(classifier: Classifier) -> torch.Size:
        with FakeTensorMode(allow_non_fake_inputs=True) as fake:

            def there(tensor: torch.Tensor) -> torch.Tensor:
                return fake.from_tensor(tensor.detach()).to("cuda").requires_grad_(tensor.requires_grad)

            state = dict([*classifier.named_parameters(), *classifier.named_buffers()])
            given = torch.randn(N_CLIPS, N_SAMPLES, device="cuda"), torch.full((N_CLIPS,), 1, device="cuda")
            moved: dict[str, Any] = {name: there(tensor) for name, tensor in state.items()}
            output = torch.func.functional_call(classifier, moved, given)
            assert output.logits.device.type == "cuda"
            return torch.Size(output.logits.shape)

    return call


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("head", ["mean", "attention"])
@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_where_lengths_were_seen_nothing_is_waited_for(
    front_end: str, head: Any, training: bool, answer: Callable[[Classifier], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lengths on a CPU tell the longest clip; all else is decided by shapes."""
    monkeypatch.setattr(resolution, "longest_seen", lambda lengths: 90)
    classifier = build_classifier(FRONT_ENDS[front_end], ModelSettings(head=head), LABELS).train(training)
    with torch.set_grad_enabled(training):
        assert answer(classifier) == (N_CLIPS, len(LABELS))


def test_lengths_on_a_gpu_are_waited_for(answer: Callable[[Classifier], Any]) -> None:
    """So that the test above can fail: how many frames the features have is then a value of the GPU."""
    classifier = build_classifier(FRONT_ENDS["diffres"], ModelSettings(), LABELS)
    with pytest.raises(DataDependentOutputException):
        answer(classifier)
