"""torch.compile of a whole classifier: one graph, the same answers. Machine code: benchmarks/compile_cost.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tenuto.models.build import build_classifier
from tenuto.models.classifier import Classifier
from tenuto.models.settings import FrontendSettings, ModelSettings

pytestmark = [
    pytest.mark.usefixtures("fresh_graphs"),
    pytest.mark.skipif(
        not hasattr(torch.compiler, "is_exporting"), reason="torch.compile of PyTorch 2.6 breaks graphs at lengths"
    ),
]

FRONTENDS = {
    "DiffRes": FrontendSettings(n_mels=32, resolution="diffres", fps=25),
    "DiffRes on PCEN": FrontendSettings(n_mels=32, compression="pcen", resolution="diffres", fps=50),
    "average pooling": FrontendSettings(n_mels=32, resolution="avgpool", fps=25),
    "every frame": FrontendSettings(n_mels=32),
    "DiffRes on LEAF": FrontendSettings(filterbank="leaf", n_mels=32, compression="pcen", resolution="diffres", fps=25),
    "SincNet+": FrontendSettings(filterbank="sincnet+", n_mels=32, compression="pcen"),
}


def make_classifier(name: str) -> Classifier:
    torch.manual_seed(0)
    return build_classifier(FRONTENDS[name], ModelSettings(backbone="sbcnn"), ["a", "b"], False, "softmax").eval()


def waveforms() -> Tensor:
    return torch.randn(2, 8000, generator=torch.Generator().manual_seed(1)) * 0.1


@pytest.mark.parametrize("name", FRONTENDS)
def test_evaluation_is_one_graph(name: str) -> None:
    """fullgraph: a break anywhere, in the front end or behind it, is an error."""
    classifier, x = make_classifier(name), waveforms()
    with torch.no_grad():
        compiled = torch.compile(classifier, backend="eager", fullgraph=True)(x)
        torch.testing.assert_close(compiled.logits, classifier(x).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", FRONTENDS)
def test_clips_of_their_own_lengths_are_one_graph(name: str) -> None:
    """Counted, as fullgraph=True takes numbers out of tensors, which breaks a graph without it."""
    classifier, x, n_graphs = make_classifier(name), waveforms(), 0

    def count(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        nonlocal n_graphs
        n_graphs += 1
        return graph.forward

    for lengths in (torch.tensor([8000, 3000]), torch.tensor([6000, 3000])):
        with torch.no_grad():
            compiled = torch.compile(classifier, backend=count)(x, lengths)
            torch.testing.assert_close(compiled.logits, classifier(x, lengths).logits, rtol=1e-4, atol=1e-4)
    assert n_graphs == 1


@pytest.mark.parametrize("name", ["DiffRes", "DiffRes on LEAF"])
def test_training(name: str) -> None:
    """Forward and backward: gradients of the importance network, behind the warp, and of what the filterbank learns.

    One graph, but for LEAF, whose filters go ways that depend on their values: there it breaks, and says the same.
    """
    classifier, x = make_classifier(name), waveforms()
    frontend = classifier.frontend
    learned = [frontend.resolution.importance.blocks[0].conv1.weight, *frontend.filterbank.parameters()]

    def loss(model: torch.nn.Module) -> Tensor:
        output = model(x)
        total: Tensor = output.logits.square().sum() + output.resolution.guide_loss
        return total

    expected = torch.autograd.grad(loss(classifier), learned)
    compiled = torch.compile(classifier, backend="aot_eager", fullgraph="LEAF" not in name)
    for found, wanted in zip(torch.autograd.grad(loss(compiled), learned), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5 * float(wanted.abs().max() + 1))
        assert wanted.abs().sum() > 0
