from __future__ import annotations

import pytest
import torch

from tenuto.errors import UsageError
from tenuto.frontend.filterbanks import MelSpectrogram
from tenuto.frontend.frontend import Frontend
from tenuto.models.backbones import SBCNN
from tenuto.models.build import build_classifier
from tenuto.models.classifier import Classifier
from tenuto.models.heads import MeanPooling
from tenuto.models.settings import FrontendSettings, ModelSettings

DIFFRES = FrontendSettings(resolution="diffres", fps=25, n_mels=32)
LABELS = ("dog", "rain", "clock")
MODELS = [
    ModelSettings(),
    ModelSettings(head="attention"),
    ModelSettings(backbone="test_efficientnet", head="attention"),
    ModelSettings(backbone="test_vit"),
]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_waveforms_become_logits_and_gradients_reach_everything(model: ModelSettings) -> None:
    classifier = build_classifier(DIFFRES, model, LABELS)
    output = classifier(torch.randn(4, 16000) * 0.1, torch.tensor([16000, 16000, 9000, 4000]))
    assert output.logits.shape == (4, 3)
    assert output.resolution.lengths.tolist() == [25, 25, 14, 6]
    targets = torch.eye(3)[[0, 1, 2, 0]]
    loss = torch.nn.functional.binary_cross_entropy_with_logits(output.logits, targets)
    (loss + output.resolution.guide_loss).backward()
    for name, parameter in classifier.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_an_answer_does_not_depend_on_padding_or_company() -> None:
    classifier = build_classifier(DIFFRES, ModelSettings(), LABELS).train()
    for _ in range(2):
        classifier(torch.randn(4, 16000))  # running statistics other than 0 and 1
    classifier.eval()
    clip = torch.randn(1, 8000) * 0.1
    alone = classifier(clip).logits
    company = torch.randn(3, 30000)
    company[:1] = torch.nn.functional.pad(clip, (0, 22000))
    together = classifier(company, torch.tensor([8000, 30000, 20000])).logits
    torch.testing.assert_close(together[:1], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model", MODELS, ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_whole_clips_are_seen_to_be_whole(model: ModelSettings, training: bool) -> None:
    """The same operations as without lengths, and so the same digits; those of clips kept whole are, too."""
    classifier, waveforms = build_classifier(DIFFRES, model, LABELS).train(training), torch.randn(3, 16000) * 0.1
    masks: list[object] = []
    classifier.head.register_forward_pre_hook(lambda head, given: masks.append(given[1]))
    found = []
    for lengths in (None, torch.full((3,), 16000), torch.full((3,), 16000, dtype=torch.int16)):
        torch.manual_seed(0)
        found.append(classifier(waveforms, lengths).logits)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    assert masks == [None] * 3
    classifier(waveforms, torch.tensor([16000, 16000, 15990]))  # of as many frames
    classifier(waveforms, torch.tensor([16000, 16000, 8000]))
    assert [mask is None for mask in masks[3:]] == [True, model.backbone == "test_vit"]


def test_autocast_leaves_logits_in_float32() -> None:
    classifier = build_classifier(DIFFRES, ModelSettings(head="attention"), LABELS).eval()
    waveforms = torch.randn(2, 8000) * 0.1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = classifier(waveforms)
    assert output.logits.dtype == output.resolution.features.dtype == torch.float32
    torch.testing.assert_close(output.logits, classifier(waveforms).logits, atol=0.05, rtol=0.05)


def test_probabilities_follow_the_activation() -> None:
    logits = torch.randn(2, 3)
    sigmoid = build_classifier(FrontendSettings(), ModelSettings(), LABELS)
    softmax = build_classifier(FrontendSettings(), ModelSettings(), LABELS, activation="softmax")
    torch.testing.assert_close(sigmoid.probabilities(logits), torch.sigmoid(logits))
    torch.testing.assert_close(softmax.probabilities(logits).sum(1), torch.ones(2))


def test_it_says_what_it_is() -> None:
    classifier = build_classifier(FrontendSettings(sample_rate=8000), ModelSettings(), list(LABELS))
    assert (classifier.labels, classifier.sample_rate, classifier.multi_label) == (LABELS, 8000, False)
    assert classifier.settings == (FrontendSettings(sample_rate=8000), ModelSettings())


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([], {}, "at least one name"),
        (["a", ""], {}, "none of them empty"),
        (["a", "b", "a"], {}, "labels a are given twice"),
        (["a", "b"], {"activation": "softmax", "multi_label": True}, "for several use sigmoid"),
        (["a", "b"], {"activation": "tanh"}, "wanted 'sigmoid' or 'softmax'"),
    ],
)
def test_labels_are_checked(labels: list[str], options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_classifier(FrontendSettings(), ModelSettings(), labels, **options)  # type: ignore[arg-type]


def test_parts_must_fit() -> None:
    with pytest.raises(UsageError, match="2 labels for a head of 3 classes"):
        Classifier(Frontend(MelSpectrogram()), SBCNN(1, 128), MeanPooling(64, 3), ["a", "b"])
