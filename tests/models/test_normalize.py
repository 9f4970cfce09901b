from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tenuto.models import normalize
from tenuto.models.normalize import MaskedBatchNorm


def test_training_statistics_are_those_of_the_valid_frames() -> None:
    maps = torch.randn(2, 3, 4, 6) * 5 - 10
    lengths = torch.tensor([2, 6])
    for frames in (0, 9):  # however much padding lies behind
        norm = MaskedBatchNorm(3)
        padded = torch.nn.functional.pad(maps, (0, frames))
        out = norm(padded, lengths)
        valid = torch.cat([maps[0, :, :, :2].flatten(1), maps[1].flatten(1)], dim=1)  # (channel, cell)
        mean, std = valid.mean(1), valid.var(1, unbiased=False).add(1e-5).sqrt()
        expected = (maps - mean[:, None, None]) / std[:, None, None]
        torch.testing.assert_close(out[1, :, :, :6], expected[1])
        torch.testing.assert_close(out[0, :, :, :2], expected[0, :, :, :2])
        assert (out[0, :, :, 2:] == 0).all()
        torch.testing.assert_close(norm.norm.running_mean, 0.1 * mean)
        torch.testing.assert_close(norm.norm.running_var, 0.9 + 0.1 * valid.var(1))


@pytest.mark.parametrize("training", [True, False])
def test_full_lengths_are_plain_batch_norm(training: bool) -> None:
    maps = torch.randn(2, 3, 4, 6)
    ours, plain = MaskedBatchNorm(3).train(training), torch.nn.BatchNorm2d(3).train(training)
    torch.testing.assert_close(ours(maps, torch.tensor([6, 6])), plain(maps))
    torch.testing.assert_close(ours(maps), plain(maps))
    torch.testing.assert_close(ours.norm.running_var, plain.running_var)


def test_one_cell_can_be_trained_on() -> None:
    norm = MaskedBatchNorm(2)
    assert norm(torch.tensor([[[[3.0]], [[4.0]]]])).flatten().tolist() == [0.0, 0.0]


def test_half_precision_counts_more_cells_than_it_can_hold() -> None:
    maps = torch.randn(2, 1, 300, 300).half()  # 90,000 cells a clip: above float16's 65,504
    out = MaskedBatchNorm(1)(maps, torch.tensor([300, 299]))
    assert out.dtype == torch.float16
    assert out.float().std().item() == pytest.approx(1, abs=0.02)


def by_masks(norm: MaskedBatchNorm, maps: Tensor, lengths: Tensor) -> Tensor:
    """The definition, for autograd to differentiate."""
    inside = (torch.arange(maps.shape[-1]) < lengths[:, None])[:, None, None].to(maps)
    n = inside.sum() * maps.shape[2]
    mean = (maps * inside).sum((0, 2, 3), keepdim=True) / n
    variance = ((maps - mean).square() * inside).sum((0, 2, 3), keepdim=True) / n
    scale, offset = norm.norm.weight[:, None, None], norm.norm.bias[:, None, None]
    return ((maps - mean) / (variance + 1e-5).sqrt() * scale + offset) * inside


@pytest.mark.parametrize("lengths", [[2, 6, 5], [1, 0, 3], [6, 6, 5], [1, 1, 1]])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("many_cells", [0, 2**19])
def test_gradients_are_those_of_the_definition(
    lengths: list[int], layout: torch.memory_format, many_cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(normalize, "_MANY_CELLS", many_cells)
    norm = MaskedBatchNorm(4).double()
    torch.nn.init.normal_(norm.norm.weight)
    torch.nn.init.normal_(norm.norm.bias)
    maps = (torch.randn(3, 4, 5, 6, dtype=torch.float64) * 3 - 7).contiguous(memory_format=layout).requires_grad_()
    with_gradient = [maps, norm.norm.weight, norm.norm.bias]
    out, expected = norm(maps, torch.tensor(lengths)), by_masks(norm, maps, torch.tensor(lengths))
    toward = torch.randn_like(out)
    torch.testing.assert_close(out, expected)
    actual = torch.autograd.grad(out, with_gradient, toward)
    torch.testing.assert_close(actual, torch.autograd.grad(expected, with_gradient, toward))
