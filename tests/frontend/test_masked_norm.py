"""Batch norm of the valid frames alone, wherever a frame's channels lie in memory."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from oracles.importance import batch_norm
from tenuto.frontend.lengths import length_mask
from tenuto.frontend.masked_norm import MaskedBatchNorm2d
from tolerances import assert_close

LENGTHS = ((9, 4, 1), (9, 9, 8), (1, 0, 1), (0, 9, 0), (0, 1, 0))


def images(height: int, together: bool) -> Tensor:
    """float64 (3, 5, height, 9), a pixel's channels together in memory or apart."""
    x = 3 + 2 * torch.randn(3, 5, height, 9, dtype=torch.float64)
    return x.contiguous(memory_format=torch.channels_last) if together else x


def unsettled() -> MaskedBatchNorm2d:
    """In training, with statistics and parameters of its own."""
    norm = MaskedBatchNorm2d(5).double()
    for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        torch.nn.init.uniform_(values, 0.5, 2)
    return norm


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("height", [1, 2])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_training_is_each_clip_with_common_statistics(lengths: tuple[int, ...], height: int, together: bool) -> None:
    x, norm = images(height, together), unsettled()
    clips = [clip[..., :n].flatten(1) for clip, n in zip(x, lengths, strict=True)]
    expected = batch_norm(clips, norm, training=True)
    cells = torch.cat(clips, 1)
    before = copy.deepcopy(norm)
    normalised = norm(x, length_mask(torch.tensor(lengths), 9).double())
    for found, clip, n in zip(normalised, expected, lengths, strict=True):
        assert_close(found[..., :n].flatten(1), clip, "float64")
        assert (found[..., n:] == 0).all()
    assert normalised.stride() == x.stride()
    if cells.shape[1] > 1:
        assert norm.num_batches_tracked == 1
        assert_close(norm.running_mean, 0.9 * before.running_mean + 0.1 * cells.mean(1), "float64")
        assert_close(norm.running_var, 0.9 * before.running_var + 0.1 * cells.var(1), "float64")


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_gradients(lengths: tuple[int, ...], together: bool) -> None:
    norm, valid = unsettled(), length_mask(torch.tensor(lengths), 9).double()

    def of(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        parameters = {"weight": weight, "bias": bias}
        normalised: Tensor = torch.func.functional_call(copy.deepcopy(norm), parameters, (x, valid))
        return normalised

    given = (images(1, together), norm.weight.detach(), norm.bias.detach())
    assert torch.autograd.gradcheck(of, tuple(each.requires_grad_() for each in given))


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("n_valid", [0, 1])
def test_a_batch_without_a_variance_leaves_statistics_as_they_are(n_valid: int, momentum: float | None) -> None:
    norm, valid = unsettled(), length_mask(torch.tensor([0, n_valid, 0]), 9).double()
    norm.momentum = momentum
    before = {name: values.clone() for name, values in norm.named_buffers()}
    normalised = norm(images(1, together=True), valid)
    assert normalised.isfinite().all()
    assert (normalised[(valid == 0)[:, None, None].expand_as(normalised)] == 0).all()
    for name, values in norm.named_buffers():
        assert torch.equal(values, before[name]), name


def test_evaluation_masks_nothing() -> None:
    norm, x = unsettled().eval(), images(1, together=True)
    valid = length_mask(torch.tensor([9, 4, 1]), 9).double()
    assert torch.equal(norm(x, valid), norm(x))
    assert norm.num_batches_tracked == 0


def test_writing_into_the_result_keeps_the_layout_of_gradients() -> None:
    """As a leaky ReLU does: of a view, the way back would copy whatever comes from one layout to the other."""
    x = images(1, together=True).requires_grad_()
    normalised = unsettled()(x, length_mask(torch.tensor([9, 4, 1]), 9).double())
    assert normalised._base is None
    torch.nn.functional.leaky_relu(normalised, inplace=True).square().sum().backward()
    assert x.grad is not None
    assert x.grad.stride() == x.stride()
