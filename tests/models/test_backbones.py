from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from oracles import post
from tenuto.errors import UsageError
from tenuto.models.backbones import SBCNN, TimmBackbone
from tenuto.models.heads import MeanPooling
from trials import unsettled


def n_parameters(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def test_published_sbcnn_has_its_sizes() -> None:
    sbcnn = SBCNN.published()
    # frames 128 -5x5-> 124 -/4-> 31 -> 27 -> 6 -> 2; bands 128 -> 124 -/2-> 62 -> 58 -> 29 -> 25
    convolutions = (25 + 1) * 24 + (24 * 25 + 1) * 48 + (48 * 25 + 1) * 48
    assert n_parameters(sbcnn) == convolutions + (48 * 25 * 2 + 1) * 64 == 240_784
    assert sbcnn(torch.randn(2, 1, 128, 128), torch.tensor([128, 9])).shape == (2, 64, 1, 1)
    assert sbcnn.map_lengths(torch.tensor([128, 9]), 128, 1).tolist() == [1, 1]


def test_published_sbcnn_is_these_layers() -> None:
    sbcnn = SBCNN.published().eval()
    c1, c2, c3 = (block.conv for block in sbcnn.blocks)
    pool = nn.MaxPool2d((2, 4))  # band, frame: published as (4, 2) in time, frequency
    layers = [c1, nn.ReLU(), pool, c2, nn.ReLU(), pool, c3, nn.ReLU(), sbcnn.dense, nn.ReLU()]
    features = torch.randn(2, 1, 128, 128)
    torch.testing.assert_close(sbcnn(features), nn.Sequential(*layers)(features))


def test_the_posts_sbcnn_is_the_authors() -> None:
    sbcnn = unsettled(SBCNN(1, 128, 128, batch_norm=False)).double()  # batch norm at its input, as in the post
    assert n_parameters(sbcnn, MeanPooling(64, 10)) == 2 + 240_784 + 650
    features = torch.randn(2, 1, 128, 128, dtype=torch.float64) * 5 - 10
    torch.testing.assert_close(sbcnn(features)[..., 0, 0], post.sb_cnn(features, sbcnn))  # type: ignore[arg-type]


def test_published_sbcnn_says_what_it_does_not_take() -> None:
    with pytest.raises(UsageError, match=r"built for 128 frames and got 100"):
        SBCNN.published()(torch.randn(1, 1, 128, 100))
    with pytest.raises(UsageError, match=r"nothing left of 20 bands x 128 frames"):
        SBCNN(1, 20, 128)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("in_channels", [1, 3])
def test_sbcnn_of_any_size_is_these_layers(in_channels: int, training: bool) -> None:
    """Maps and gradients, whatever the order and the layout in which they are worked out."""
    sbcnn = unsettled(SBCNN(in_channels, 22)).double().train(training)
    sbcnn.dropout.eval()
    norms = [sbcnn.input_norm, *(block.norm for block in sbcnn.blocks)]
    first, n1, n2, n3 = (norm.norm for norm in norms)
    c1, c2, c3 = (block.conv for block in sbcnn.blocks)
    pool = nn.MaxPool2d((2, 4), ceil_mode=True)
    layers = [first, c1, n1, nn.ReLU(), pool, c2, n2, nn.ReLU(), pool, c3, n3, nn.ReLU(), sbcnn.dense, nn.ReLU()]
    features = torch.randn(3, in_channels, 22, 37, dtype=torch.float64)
    answers = []
    for network in (nn.Sequential(*layers), sbcnn):
        maps = network(features)
        answers.append([maps, *torch.autograd.grad(maps.square().sum(), list(sbcnn.parameters()))])
    for found, expected in zip(answers[1], answers[0], strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("in_channels", [1, 3])
def test_sbcnn_keeps_the_channels_of_a_pixel_together(in_channels: int) -> None:
    block = SBCNN(in_channels, 16).blocks[0]
    assert block(torch.randn(2, in_channels, 16, 20), torch.tensor([20, 9])).stride(1) == 1


@pytest.mark.parametrize(("n_bands", "n_frames"), [(1, 1), (13, 5), (40, 17), (128, 400)])
@pytest.mark.parametrize("training", [True, False])
def test_sbcnn_takes_any_size(n_bands: int, n_frames: int, training: bool) -> None:
    sbcnn = SBCNN(3, n_bands).train(training)
    maps = sbcnn(torch.randn(1, 3, n_bands, n_frames), torch.tensor([n_frames]))
    assert maps.shape == (1, 64, 1, -(-n_frames // 16))
    assert maps.isfinite().all()


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("length", [1, 7, 16, 17, 40])
def test_sbcnn_does_not_see_padding(length: int, batch_norm: bool) -> None:
    sbcnn = SBCNN(2, 20, batch_norm=batch_norm)
    clip = torch.randn(1, 2, 20, length) - 10
    sbcnn(torch.randn(4, 2, 20, 60), torch.tensor([60, 30, 60, 5]))  # running statistics other than 0 and 1
    sbcnn.eval()
    alone = sbcnn(clip, torch.tensor([length]))
    for n_padding in (1, 10, 1000):
        padded = torch.nn.functional.pad(clip, (0, n_padding))
        n_out = sbcnn.map_lengths(torch.tensor([length]), length + n_padding, -(-(length + n_padding) // 16))
        maps = sbcnn(padded, torch.tensor([length]))
        assert n_out.tolist() == [alone.shape[-1]]
        torch.testing.assert_close(maps[..., : alone.shape[-1]], alone)


def test_sbcnn_evens_out_the_scale_of_its_channels() -> None:
    features = torch.randn(8, 2, 16, 40) * torch.tensor([20.0, 0.01])[:, None, None] - 5
    normalised = SBCNN(2, 16).input_norm(features)  # type: ignore[misc]
    assert normalised.mean((0, 2, 3)).abs().max() < 1e-3
    # the second channel's variance is 1e-4, beside batch norm's epsilon of 1e-5
    assert normalised.std((0, 2, 3)).tolist() == pytest.approx([1, (1 / 1.1) ** 0.5], abs=1e-2)


@pytest.mark.parametrize("in_channels", [1, 2, 3])
@pytest.mark.parametrize("name", ["test_efficientnet", "mobilenetv3_small_050"])
def test_convolutional_networks_give_maps_of_any_size(name: str, in_channels: int) -> None:
    backbone = TimmBackbone(name, in_channels)
    assert backbone.training
    assert backbone.model.training
    assert (backbone.least_size, backbone.multiple) == (1, 1)
    for n_bands, n_kept in ((128, 100), (128, 3), (64, 1)):
        maps = backbone(torch.randn(2, in_channels, n_bands, n_kept), torch.tensor([n_kept, 1]))
        assert maps.shape == (2, backbone.n_features, -(-n_bands // 32), -(-n_kept // 32))
        assert maps.isfinite().all()


@pytest.mark.parametrize("name", ["test_convnext", "test_mambaout", "edgenext_xx_small"])
def test_networks_with_a_least_size_are_padded_to_it(name: str) -> None:
    backbone = TimmBackbone(name, 1).eval()
    for n_bands, n_kept in ((128, 70), (40, 1)):
        maps = backbone(torch.randn(1, 1, n_bands, n_kept))
        assert maps.shape[:2] == (1, backbone.n_features)
        assert min(maps.shape) >= 1
    half = backbone.map_lengths(torch.tensor([1]), 1, maps.shape[-1])
    assert 1 <= half.item() <= maps.shape[-1]


def test_lengths_are_counted_in_the_padded_frames() -> None:
    backbone = TimmBackbone("test_efficientnet", 1)
    backbone.least_size, backbone.multiple = (
        32,
        32,
    )  # as if it needed them: 40 frames become 64, two of the maps'
    assert backbone(torch.randn(1, 1, 32, 40)).shape[-1] == 2
    assert backbone.map_lengths(torch.tensor([32, 33, 40]), 40, 2).tolist() == [1, 2, 2]


def test_vision_transformers_give_the_mean_of_their_tokens() -> None:
    backbone = TimmBackbone("test_vit", 3).eval()
    features = torch.randn(2, 3, 128, 50)
    vectors = backbone(features)
    assert vectors.shape == (2, backbone.n_features)
    assert backbone.input_norm is not None
    tokens = backbone.model.forward_features(backbone.input_norm(features))  # type: ignore[operator]
    torch.testing.assert_close(vectors, tokens[:, 1:].mean(1))  # the first is the class token


def test_without_input_norm_the_backbone_is_timms_model() -> None:
    backbone = TimmBackbone("test_efficientnet", 1, input_norm=False).eval()
    plain = timm.create_model("test_efficientnet", in_chans=1, num_classes=0, global_pool="").eval()
    plain.load_state_dict(backbone.model.state_dict())
    features = torch.randn(2, 1, 64, 33)
    as_it_lies = features.clone(memory_format=torch.channels_last)
    torch.testing.assert_close(backbone(features), plain.forward_features(as_it_lies), rtol=0, atol=0)
    torch.testing.assert_close(backbone(features), plain.forward_features(features), rtol=1e-4, atol=1e-6)


def test_trying_sizes_leaves_no_trace() -> None:
    fresh = TimmBackbone("test_efficientnet", 1).model.state_dict()
    for name, tensor in fresh.items():
        if name.endswith("running_mean"):
            assert (tensor == 0).all(), name


@pytest.mark.parametrize("name", ["mixer_s32_224", "efficientvit_b0", "test_coatnet"])
def test_networks_bound_to_one_size_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=rf"backbone '{name}'.*choose") as error:
        TimmBackbone(name, 1)
    assert "\n" not in str(error.value)
