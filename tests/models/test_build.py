from __future__ import annotations

import pytest
import torch

from tenuto.errors import UsageError
from tenuto.frontend.compression import LayerNorm, LogCompression
from tenuto.frontend.diffres import DiffRes
from tenuto.frontend.leaf import Leaf
from tenuto.frontend.resolution import AvgPool, ChangeHop, ConvAvgPool, FullResolution
from tenuto.frontend.sincnet import SincNet
from tenuto.frontend.time_domain import TimeDomainFilterbank
from tenuto.models.build import build_classifier, build_frontend
from tenuto.models.heads import AttentionPooling, MeanPooling
from tenuto.models.prototypes import episode_loss
from tenuto.models.settings import FrontendSettings, ModelSettings
from trials import unsettled

RATE_HZ = 16000


@pytest.mark.parametrize(
    ("resolution", "kind", "n_channels"),
    [
        ("none", FullResolution, 1),
        ("diffres", DiffRes, 3),
        ("avgpool", AvgPool, 1),
        ("convavgpool", ConvAvgPool, 1),
        ("changehop", ChangeHop, 1),
    ],
)
def test_every_resolution_keeps_the_frames_a_second_it_is_asked_for(
    resolution: str, kind: type, n_channels: int
) -> None:
    fps = None if resolution == "none" else 25
    settings = FrontendSettings(resolution=resolution, fps=fps, n_mels=32)  # type: ignore[arg-type]
    frontend = build_frontend(settings)
    assert type(frontend.resolution) is kind
    assert frontend.kept(2 * RATE_HZ) == 2 * (fps or 100)
    features = frontend(torch.randn(2, 2 * RATE_HZ)).features
    assert features.shape == (2, n_channels, 32, 2 * (fps or 100))
    assert n_channels == frontend.n_channels


def test_every_setting_of_the_filterbank_arrives() -> None:
    values = {"sample_rate": 8000, "n_fft": 256, "win_length": 200, "hop_length": 40, "n_mels": 20}
    values |= {"f_min": 50.0, "f_max": 3000.0, "mel_scale": "htk"}
    filterbank = build_frontend(FrontendSettings(**values)).filterbank  # type: ignore[arg-type]
    seen = filterbank._settings | {"sample_rate": filterbank.sample_rate, "hop_length": filterbank.hop_length}
    assert {name: seen[name] for name in values} == values


@pytest.mark.parametrize("compression", ["log-learn", "layernorm", "pcen"])
@pytest.mark.parametrize(
    ("filterbank", "kind"),
    [
        ("leaf", Leaf),
        ("sincnet", SincNet),
        ("sincnet+", SincNet),
        ("time-domain", TimeDomainFilterbank),
    ],
)
def test_learnable_filterbanks_learn_with_any_compression_before_diffres(
    filterbank: str, kind: type, compression: str
) -> None:
    values = {"sample_rate": 8000, "win_length": 200, "hop_length": 80, "n_mels": 16}
    values |= {"filterbank": filterbank, "compression": compression}
    frontend = build_frontend(FrontendSettings(resolution="diffres", fps=25, **values))  # type: ignore[arg-type]
    bank = frontend.filterbank
    assert type(bank) is kind
    assert (bank.sample_rate, bank.hop_length, bank.n_bands, bank.window_length) == (8000, 80, 16, 201)
    output = frontend(0.1 * torch.randn(2, 4000), torch.tensor([4000, 2500]))
    assert output.features.shape == (2, 3, 16, 13)
    assert (output.features[1, ..., 8:] == 0).all()
    (output.features * torch.randn_like(output.features)).sum().backward()
    parameters = [*bank.parameters(), *frontend.compression.parameters()]
    assert all(p.grad is not None and torch.isfinite(p.grad).all() and (p.grad != 0).any() for p in parameters)


def test_learnable_filterbanks_start_as_published() -> None:
    leaf = build_frontend(FrontendSettings(filterbank="leaf", n_mels=40)).filterbank
    assert isinstance(leaf, Leaf)
    for actual, expected in zip(leaf.parameters(), Leaf().parameters(), strict=True):
        assert torch.equal(actual, expected)
    sincnet = build_frontend(FrontendSettings(filterbank="sincnet", f_min=200.0, n_mels=40)).filterbank
    assert isinstance(sincnet, SincNet)
    assert sincnet.bands_hz()[0].min() == 400


def test_every_setting_of_diffres_arrives() -> None:
    values = {"rescaling": "paper", "mean": False, "encoding": "none", "algorithm1": False, "n_kept": 7}
    values |= {"guide_lambda": 0.25, "normalizer": "reduction"}
    frontend = build_frontend(
        FrontendSettings(resolution="diffres", fps=50, dilation=2, n_mels=16, **values)  # type: ignore[arg-type]
    )
    layer = frontend.resolution
    assert isinstance(layer, DiffRes)
    assert {name: getattr(layer, name) for name in values} == values
    assert (layer.reduction, layer.max, frontend.n_channels) == (0.5, True, 1)
    dilations = {m.dilation for m in layer.importance.modules() if isinstance(m, torch.nn.Conv1d)}
    assert dilations == {(2,)}


def test_compressions_augmentation_and_average_by_name() -> None:
    fixed = build_frontend(FrontendSettings(compression="log10000")).compression
    assert isinstance(fixed, LogCompression)
    assert (fixed.alpha.item(), fixed.beta.item(), fixed.learnable) == (10000, 1, False)
    learned = build_frontend(FrontendSettings(compression="log-learn")).compression
    assert isinstance(learned, LogCompression)
    assert learned.learnable
    assert learned.alpha.item() == pytest.approx(1096.63, abs=0.01)
    assert isinstance(build_frontend(FrontendSettings(compression="layernorm")).compression, LayerNorm)
    assert build_frontend(FrontendSettings()).augment is None
    assert build_frontend(FrontendSettings(spec_augment=True)).augment is not None
    average = build_frontend(FrontendSettings(resolution="avgpool", fps=25, avgpool_of="compressed")).resolution
    assert isinstance(average, AvgPool)
    assert average.of == "compressed"


def test_heads_by_name() -> None:
    attention = build_classifier(FrontendSettings(), ModelSettings(head="attention", n_heads=2), "abc").head
    assert isinstance(attention, AttentionPooling)
    assert (attention.n_heads, attention.n_classes) == (2, 3)
    mean = build_classifier(FrontendSettings(), ModelSettings(dropout=0.1), "abc").head
    assert isinstance(mean, MeanPooling)
    assert mean.dropout.p == 0.1


def test_wrong_names_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown backbone 'sbcn'"):
        build_classifier(FrontendSettings(), ModelSettings(backbone="sbcn"), "ab")
    with pytest.raises(UsageError, match="divides by a reduction of 0"):
        build_frontend(FrontendSettings(resolution="diffres", normalizer="reduction"))


POST = [
    ("sbcnn", "mean"),
    ("vgg", "mean"),
    ("vgg", "attention"),
    ("vgg", "prototypes"),
    ("timbre", "none"),
    ("sbcnn", "prototypes"),
]


@pytest.mark.parametrize(("backbone", "head"), POST)
@pytest.mark.parametrize("resolution", ["none", "diffres"])
def test_the_posts_models_learn_with_their_logarithm_behind_any_resolution(
    backbone: str, head: str, resolution: str
) -> None:
    fps = {"none": None, "diffres": 25}[resolution]
    front = FrontendSettings(n_mels=32, compression="log-learn", resolution=resolution, fps=fps)  # type: ignore[arg-type]
    model = ModelSettings(backbone, head=head, n_filters=8)  # type: ignore[arg-type]
    classifier = build_classifier(front, model, ("a", "b", "c"), activation="softmax")
    waveforms, lengths = torch.randn(4, 8000) / 10, torch.tensor([8000, 5000, 8000, 1000])
    if head == "prototypes":
        embeddings, resolved = classifier.embed(waveforms, lengths)
        loss = episode_loss(embeddings, torch.tensor([0, 0, 1, 1])) + resolved.guide_loss
    else:
        output = classifier(waveforms, lengths)
        assert output.logits.shape == (4, 3)
        loss = output.logits.square().sum() + output.resolution.guide_loss
    loss.backward()
    for name, parameter in classifier.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    assert all(p.grad.abs().sum() > 0 for p in classifier.frontend.compression.parameters())  # type: ignore[union-attr]
    assert len(list(classifier.frontend.compression.parameters())) == 2


@pytest.mark.parametrize(("backbone", "head"), POST)
def test_answers_do_not_depend_on_padding(backbone: str, head: str) -> None:
    front = FrontendSettings(n_mels=32, resolution="diffres", fps=25)
    model = ModelSettings(backbone, head=head, n_filters=8)  # type: ignore[arg-type]
    classifier = unsettled(build_classifier(front, model, ("a", "b", "c"), activation="softmax"))
    if head == "prototypes":
        torch.nn.init.normal_(classifier.head.prototypes)
    clip, lengths = torch.randn(1, 8000) / 10, torch.tensor([8000])
    alone = classifier(clip, lengths).logits
    padded = classifier(torch.nn.functional.pad(clip, (0, 16000)), lengths).logits
    torch.testing.assert_close(padded, alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("backbone", "head", "n_parameters"),
    [("sbcnn", "mean", 241_436), ("vgg", "mean", 42_764), ("timbre", "none", 7_572)],
)
def test_n_frames_gives_the_published_forms(backbone: str, head: str, n_parameters: int) -> None:
    front = FrontendSettings(sample_rate=44100, n_fft=1024, win_length=1024, hop_length=1024)
    model = ModelSettings(backbone, head=head, n_frames=128)  # type: ignore[arg-type]
    classifier = build_classifier(front, model, list("abcdefghij"), activation="softmax")
    assert sum(p.numel() for p in classifier.parameters()) == n_parameters
    assert classifier(torch.randn(2, 128 * 1024) / 10).logits.shape == (2, 10)
    with pytest.raises(UsageError, match="was built for 128 frames and got 50"):
        classifier(torch.randn(2, 50 * 1024))


def test_prototypes_are_for_one_label_a_clip() -> None:
    with pytest.raises(UsageError, match="use activation='softmax'"):
        build_classifier(FrontendSettings(), ModelSettings("vgg", head="prototypes"), ("a", "b"))
