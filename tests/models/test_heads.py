from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tenuto.models.backbones import TimmBackbone
from tenuto.models.heads import AttentionPooling, MeanPooling


def psla(maps: Tensor, head: AttentionPooling) -> Tensor:
    """The probabilities of PSLA's multi-head attention, a head at a time, as its paper words it."""
    frames = maps.mean(2)
    total = torch.zeros(len(maps), head.n_classes)
    for h in range(head.n_heads):
        rows = slice(h * head.n_classes, (h + 1) * head.n_classes)
        attention = torch.einsum("kf,bft->bkt", head.attention.weight[rows, :, 0], frames)
        attention = torch.sigmoid(attention + head.attention.bias[rows, None])
        attention = torch.clamp(attention, 1e-7, 1 - 1e-7)
        score = torch.einsum("kf,bft->bkt", head.classification.weight[rows, :, 0], frames)
        score = torch.sigmoid(score + head.classification.bias[rows, None])
        total += head.head_weight[h] * (attention * score).sum(2) / attention.sum(2)
    return total


def test_attention_pooling_is_pslas() -> None:
    head = AttentionPooling(6, 5, n_heads=3)
    head.head_weight.data = torch.tensor([0.2, 0.5, 0.3])
    maps = torch.randn(2, 6, 4, 7) * 3
    torch.testing.assert_close(head(maps).sigmoid(), psla(maps, head))


def test_heads_start_with_equal_weight() -> None:
    assert AttentionPooling(6, 5).head_weight.tolist() == [0.25] * 4


def test_efficientnet_b2_with_four_heads_has_13_6_million_parameters() -> None:
    with torch.device("meta"):
        backbone = TimmBackbone("efficientnet_b2", 3, input_norm=False)
        head = AttentionPooling(backbone.n_features, 527, n_heads=4)
    counts = [sum(p.numel() for p in module.parameters()) for module in (backbone, head)]
    # timm's EfficientNet-B2 of 9,109,994 less its classifier of 1000; 8 convolutions of 1408 to 527, 4 weights
    assert counts == [9_109_994 - (1408 + 1) * 1000, 8 * (1408 + 1) * 527 + 4]
    assert sum(counts) == 13_641_342
    assert round(sum(counts) / 1e6, 1) == 13.6


@pytest.mark.parametrize("head", [AttentionPooling(6, 5), MeanPooling(6, 5)], ids=["attention", "mean"])
def test_padding_changes_nothing(head: AttentionPooling | MeanPooling) -> None:
    head.eval()
    clip = torch.randn(1, 6, 2, 3)
    batch = torch.randn(2, 6, 2, 10) * 100  # whatever lies beyond
    batch[:1, :, :, :3] = clip
    torch.testing.assert_close(head(batch, torch.tensor([3, 10]))[:1], head(clip))
    torch.testing.assert_close(head(batch, torch.tensor([10, 10])), head(batch))


@pytest.mark.parametrize("head", [AttentionPooling(6, 5), MeanPooling(6, 5)], ids=["attention", "mean"])
def test_a_vector_is_one_frame(head: AttentionPooling | MeanPooling) -> None:
    head.eval()
    vectors = torch.randn(2, 6)
    torch.testing.assert_close(head(vectors), head(vectors[:, :, None, None].expand(2, 6, 3, 4)))


def test_certain_probabilities_have_finite_logits_also_in_half_precision() -> None:
    head = AttentionPooling(6, 5)
    head.classification.bias.data.fill_(100)
    for dtype in (torch.float32, torch.bfloat16):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = head(torch.randn(2, 6, 2, 3).to(dtype))
        assert logits.dtype == torch.float32
        assert logits.min() > 15
        assert logits.isfinite().all()


def test_mean_pooling_is_a_linear_layer_on_the_mean() -> None:
    head = MeanPooling(6, 5, dropout=0.9).eval()
    maps = torch.randn(2, 6, 3, 4)
    torch.testing.assert_close(head(maps), maps.mean((2, 3)) @ head.linear.weight.T + head.linear.bias)
    assert not torch.equal(head.train()(maps), head.eval()(maps))  # the dropout is there while training
