from __future__ import annotations

import pytest
import torch
from torch import nn

from oracles import post
from tenuto.errors import UsageError
from tenuto.models.heads import ClassScores
from tenuto.models.timbre import Timbre
from trials import RUBBISH, unsettled


@pytest.mark.parametrize(("n_classes", "total"), [(10, 7_572), (15, 11_357)])
def test_published_timbre_has_its_sizes(n_classes: int, total: int) -> None:
    timbre = Timbre.published(n_classes)
    assert timbre.conv.weight.shape == (n_classes, 1, 108, 7)
    head = ClassScores(n_classes)
    n_parameters = sum(p.numel() for module in (timbre, head) for p in module.parameters())
    assert n_parameters == 2 + n_classes * (108 * 7 + 1) == total
    scores = timbre(torch.randn(2, 1, 128, 128), torch.tensor([128, 9]))
    assert scores.shape == (2, n_classes)
    assert head(scores, None).equal(scores)


@pytest.mark.parametrize("training", [True, False])
def test_published_timbre_is_the_authors(training: bool) -> None:
    timbre = unsettled(Timbre.published(3)).double().train(training)
    features = torch.randn(2, 1, 128, 128, dtype=torch.float64) * 5 - 10
    torch.testing.assert_close(timbre(features), post.timbre(features, timbre))  # type: ignore[arg-type]


@pytest.mark.parametrize(("n_bands", "n_frames", "kernel"), [(128, 50, 108), (64, 5, 54), (40, 1, 34), (1, 9, 1)])
def test_the_form_for_any_size_spans_the_same_share_of_bands(n_bands: int, n_frames: int, kernel: int) -> None:
    timbre = unsettled(Timbre(2, n_bands, 3)).double()
    assert timbre.conv.kernel_size == (kernel, 7)  # type: ignore[comparison-overlap, union-attr]
    features = torch.randn(4, 2, n_bands, n_frames, dtype=torch.float64)
    torch.testing.assert_close(timbre(features), post.timbre(features, timbre))  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [1, 3, 40])
def test_timbre_does_not_see_padding(length: int) -> None:
    timbre = unsettled(Timbre(2, 20, 5))
    clip = torch.randn(1, 2, 20, length) - 10
    for n_padding in (0, 1, 10, 1000):
        padded = nn.functional.pad(clip, (0, n_padding), value=RUBBISH)
        torch.testing.assert_close(timbre(padded, torch.tensor([length])), timbre(clip))


def test_a_filter_finds_its_pattern_wherever_it_is() -> None:
    timbre = Timbre(1, 128, 2).eval()
    pattern = torch.randn(108, 7)
    with torch.no_grad():
        timbre.conv.weight[0, 0] = pattern
    norm = pattern.square().sum().item()
    for band, frame in ((0, 0), (20, 30), (7, 93)):
        features = torch.zeros(1, 1, 128, 100)
        features[0, 0, band : band + 108, frame : frame + 7] = pattern
        assert timbre(features)[0, 0].item() == pytest.approx(norm, rel=1e-4)


def test_every_parameter_learns_and_a_clip_without_frames_is_no_nan() -> None:
    timbre = Timbre(3, 16, 4)
    scores = timbre(torch.randn(3, 3, 16, 12), torch.tensor([12, 0, 1]))
    assert scores.isfinite().all()
    scores.square().sum().backward()
    for name, parameter in timbre.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_timbre_says_what_it_does_not_take() -> None:
    with pytest.raises(UsageError, match=r"built for 128 frames and got 100: leave n_frames out"):
        Timbre.published(3)(torch.randn(1, 1, 128, 100))
    with pytest.raises(UsageError, match=r"7 frames do not fit into n_frames=6"):
        Timbre(1, 128, 3, n_frames=6)
