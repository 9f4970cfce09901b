from __future__ import annotations

import pytest
import torch
from torch import nn

from oracles import post
from tenuto.errors import UsageError
from tenuto.models.heads import MeanPooling
from tenuto.models.vgg import VGG
from trials import RUBBISH, unsettled


def n_parameters(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


@pytest.mark.parametrize(("n_filters", "total"), [(32, 42_764), (128, 613_388)])
def test_published_vgg_has_its_sizes(n_filters: int, total: int) -> None:
    vgg = VGG.published(n_filters=n_filters)
    head = MeanPooling(vgg.n_features, 10)
    norms = 2 + 5 * 2 * n_filters
    convolutions = (9 + 1) * n_filters + 4 * (9 * n_filters + 1) * n_filters
    assert n_parameters(vgg, head) == norms + convolutions + (4 * 4 * n_filters + 1) * 10 == total
    assert vgg(torch.randn(2, 1, 128, 128), torch.tensor([128, 9])).shape == (2, 16 * n_filters)


@pytest.mark.parametrize("training", [True, False])
def test_published_vgg_is_the_authors(training: bool) -> None:
    vgg = unsettled(VGG.published(n_filters=8)).double().train(training)
    head = MeanPooling(vgg.n_features, 3).double().eval()  # type: ignore[arg-type]
    features = torch.randn(2, 1, 128, 128, dtype=torch.float64) * 5 - 10
    theirs = post.vgg(features, vgg)  # type: ignore[arg-type]
    assert theirs.shape == (2, 4, 4, 8)
    dense = head.linear.weight.view(3, 8, 4, 4).permute(0, 3, 2, 1).flatten(1).float()  # from frames, bands, filters
    logits = theirs.flatten(1).float() @ dense.T + head.linear.bias.float()
    torch.testing.assert_close(head.float()(vgg(features)), logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("n_bands", "n_frames"), [(128, 100), (40, 33), (33, 7), (5, 1)])
@pytest.mark.parametrize("training", [True, False])
def test_the_form_for_any_size_is_the_same_layers_padded(n_bands: int, n_frames: int, training: bool) -> None:
    vgg = unsettled(VGG(3, n_bands, n_filters=4)).double().train(training)
    features = torch.randn(3, 3, n_bands, n_frames, dtype=torch.float64)
    theirs = post.vgg(features, vgg)  # type: ignore[arg-type]
    maps = vgg(features)
    assert maps.shape == (3, 4 * -(-n_bands // 32), 1, -(-n_frames // 32))
    torch.testing.assert_close(maps[:, :, 0], theirs.permute(0, 3, 2, 1).flatten(1, 2))


@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, 65, 70])
def test_vgg_does_not_see_padding(length: int) -> None:
    vgg = unsettled(VGG(2, 20, n_filters=4))
    clip = torch.randn(1, 2, 20, length) - 10
    alone = vgg(clip)
    for n_padding in (0, 1, 10, 1000):
        padded = nn.functional.pad(clip, (0, n_padding), value=RUBBISH)
        maps = vgg(padded, torch.tensor([length]))
        n_out = vgg.map_lengths(torch.tensor([length]), length + n_padding, maps.shape[-1])
        assert n_out.tolist() == [alone.shape[-1]]
        torch.testing.assert_close(maps[..., : alone.shape[-1]], alone)
        assert (maps[..., alone.shape[-1] :] == 0).all()


def test_padding_takes_no_part_in_statistics_or_gradients() -> None:
    def gradients(n_padding: int) -> list[torch.Tensor]:
        torch.manual_seed(1)
        vgg, clips = VGG(1, 12, n_filters=4), torch.randn(3, 1, 12, 50)
        lengths = torch.tensor([50, 20, 3])
        mask = torch.arange(50) < lengths[:, None]
        clips = torch.where(mask[:, None, None], clips, RUBBISH)
        maps = vgg(nn.functional.pad(clips, (0, n_padding), value=RUBBISH), lengths)
        (maps * torch.linspace(-1, 1, maps.shape[1])[:, None, None]).square().sum().backward()
        return [parameter.grad for parameter in vgg.parameters()]  # type: ignore[misc]

    for ours, padded in zip(gradients(0), gradients(75), strict=True):
        assert ours.isfinite().all()
        torch.testing.assert_close(ours, padded, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("n_bands", "n_frames"), [(1, 1), (13, 5)])
def test_a_single_small_clip_trains(n_bands: int, n_frames: int) -> None:
    maps = VGG(3, n_bands)(torch.randn(1, 3, n_bands, n_frames), torch.tensor([n_frames]))
    assert maps.isfinite().all()
    maps.sum().backward()


def test_weights_start_as_published() -> None:
    vgg = VGG(1, 128)
    assert all((layer.conv.bias == 0).all() for layer in vgg.layers)  # type: ignore[union-attr]
    bound = (6 / (9 * 32 + 9 * 32)) ** 0.5
    largest = vgg.layers[3].conv.weight.abs().max().item()  # type: ignore[union-attr]
    assert 0.98 * bound < largest <= bound


def test_vgg_says_what_it_does_not_take() -> None:
    with pytest.raises(UsageError, match=r"built for 128 frames and got 100: leave n_frames out"):
        VGG.published()(torch.randn(1, 1, 128, 100))
    with pytest.raises(UsageError, match=r"nothing of 20 bands x 128 frames"):
        VGG(1, 20, n_frames=128)
    with pytest.raises(UsageError, match=r"n_filters=0, wanted at least 1"):
        VGG(1, 20, n_filters=0)
