"""The importance network clip by clip, rescaling against bisection, guide loss and activeness against loops."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from oracles import importance as oracle
from tenuto import UsageError
from tenuto.frontend import importance
from tenuto.frontend.importance import (
    FrameImportance,
    ResConv1d,
    activeness,
    frame_energy,
    guide_loss,
)
from tenuto.frontend.lengths import length_mask
from tenuto.frontend.rescaling import rescale, rescale_logits, rescale_paper
from tolerances import assert_close
from trials import RUBBISH, pad, unsettled

FEW = settings(max_examples=30, derandomize=True, deadline=None, database=None)


def n_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# The network


def test_82_371_parameters_at_128_bands() -> None:
    assert n_parameters(FrameImportance(128)) == 82_371
    assert n_parameters(nn.ModuleList([ResConv1d(128, 128) for _ in range(3)])) == 493_824


@pytest.mark.parametrize("n_bands", [1, 40, 80, 128, 256])
def test_any_number_of_bands_and_frames(n_bands: int) -> None:
    network = unsettled(FrameImportance(n_bands))
    for n_frames in (1, 2, 50):
        logits = network(torch.randn(2, n_bands, n_frames))
        assert logits.shape == (2, n_frames)
        assert torch.isfinite(logits).all()


def batch_with_mask(clips: list[Tensor], n_padding: int = 5) -> tuple[Tensor, Tensor]:
    batch, lengths = pad([clip[None] for clip in clips], n_padding)
    return batch, length_mask(lengths, batch.shape[-1])


class Adapted(nn.Module):
    """A convolution with something beside it, as adapters for fine-tuning are; its attributes are the convolution's."""

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        self.conv = conv
        self.beside = nn.Parameter(torch.randn_like(conv.weight))

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("conv"), name)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + F.conv2d(x, self.beside[:, :, None], padding=(0, int(self.conv.padding[0])))


@pytest.mark.parametrize("learns", [True, False])
def test_a_convolution_that_was_replaced_is_called(learns: bool) -> None:
    network, x = unsettled(FrameImportance(8)).eval(), torch.randn(2, 8, 50)
    block = network.blocks[0]
    block.conv1 = Adapted(block.conv1)
    with torch.set_grad_enabled(learns):
        adapted = network(x)
        with torch.no_grad():
            block.conv1.conv.weight.add_(block.conv1.beside)
        block.conv1 = block.conv1.conv
        assert_close(adapted, network(x), "float32")


@pytest.mark.parametrize("name", ["conv1", "norm1"])
def test_hooks_on_the_way_back_are_called_in_evaluation(name: str) -> None:
    network, called = unsettled(FrameImportance(8)).eval(), []
    module = getattr(network.blocks[0], name)
    module.register_full_backward_hook(lambda *arguments: called.append(1))
    network(torch.randn(2, 8, 50, requires_grad=True)).sum().backward()
    assert called


@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_what_a_hook_on_a_norm_saw_is_not_overwritten(training: bool, learns: bool) -> None:
    network, seen = unsettled(FrameImportance(8)).train(training), []
    for name in ("norm1", "norm2"):
        norm = getattr(network.blocks[-1], name)
        norm.register_forward_hook(lambda module, given, found: seen.append((found, found.clone())))
    with torch.set_grad_enabled(learns):
        network(*batch_with_mask([torch.randn(8, 50), torch.randn(8, 30)]))
    assert len(seen) == 2
    for found, then in seen:
        assert_close(found, then, "exact")


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("learns", [True, False])
def test_norms_without_running_statistics_use_the_batchs(learns: bool, training: bool) -> None:
    network, batch = unsettled(FrameImportance(8)), batch_with_mask([torch.randn(8, 50), torch.randn(8, 30)])
    expected = copy.deepcopy(network).train()(*batch)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.track_running_stats, module.running_mean, module.running_var = False, None, None
    with torch.set_grad_enabled(learns):
        assert_close(network.train(training)(*batch), expected, "float32")


@pytest.mark.parametrize("dilation", [1, 3])
@pytest.mark.parametrize("training", [False, True])
def test_network_is_each_clip_by_itself_with_common_statistics(training: bool, dilation: int) -> None:
    network = unsettled(FrameImportance(12, dilation)).double().train(training)
    clips = [torch.randn(12, n, dtype=torch.float64) for n in (30, 17, 2)]
    batch, valid = batch_with_mask(clips)
    expected = oracle.network(copy.deepcopy(network), clips, training, last_activation=False)
    logits = network(batch, valid)
    for row, clip in zip(logits, expected, strict=True):
        assert_close(row[: clip.shape[1]], clip[0], "float64")


@pytest.mark.parametrize("eps", [1e-5, 0.3])
@pytest.mark.parametrize("learns", [False, True])
def test_folded_norms_are_the_modules_one_by_one(learns: bool, eps: float) -> None:
    network = unsettled(FrameImportance(12)).double().eval()
    network.blocks[1].norm2.eps = eps
    spectrogram = torch.randn(3, 12, 50, dtype=torch.float64)
    with torch.set_grad_enabled(learns):
        logits = network(spectrogram)
        x = spectrogram
        for block in network.blocks:
            assert isinstance(block, ResConv1d)
            first = F.leaky_relu(block.norm1(block.conv1(x)[:, :, None])[:, :, 0])
            second = block.norm2(block.conv2(first)[:, :, None])[:, :, 0]
            x = first + (F.leaky_relu(second) if block.last_activation else second)
    assert_close(logits, x[:, 0], "float64")


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("lengths", [(40, 3, 11), (40, 39, 38), (1, 1, 40), (0, 40, 5)])
def test_clips_end_to_end_are_the_padded_batch(
    monkeypatch: pytest.MonkeyPatch, lengths: tuple[int, ...], training: bool
) -> None:
    network = unsettled(FrameImportance(8, dilation=2)).double().train(training)
    batch, valid = batch_with_mask([torch.randn(8, n, dtype=torch.float64) for n in lengths])
    answers = []
    for below in (-1.0, 100.0):  # never, always
        monkeypatch.setattr(importance, "_PACKED_BELOW", below)
        spectrogram = batch.clone().requires_grad_()
        logits = copy.deepcopy(network)(spectrogram, valid)
        logits.square().sum().backward()
        answers.append((logits.detach(), spectrogram.grad))
    for padded, packed in zip(*answers, strict=True):
        assert_close(packed, padded, "float64")
    assert (answers[1][0].masked_select(~valid) == 0).all()


def test_block_is_each_clip_by_itself_with_common_statistics() -> None:
    blocks = unsettled(nn.Sequential(ResConv1d(6, 6), ResConv1d(6, 6))).double().train()
    clips = [torch.randn(6, n, dtype=torch.float64) for n in (21, 9)]
    batch, valid = batch_with_mask(clips)
    expected = oracle.network(copy.deepcopy(blocks), clips, True, last_activation=True)
    out = batch.masked_fill(~valid[:, None], 0)[:, :, None]
    for block in blocks:
        out = block(out, valid.double())
    for row, clip in zip(out[:, :, 0], expected, strict=True):
        assert_close(row[:, : clip.shape[1]], clip, "float64")
        assert (row[:, clip.shape[1] :] == 0).all()


def test_running_statistics_are_those_of_the_valid_frames() -> None:
    network = FrameImportance(12).double().train()
    clips = [torch.randn(12, n, dtype=torch.float64) for n in (30, 17)]
    network(*batch_with_mask(clips))
    conv = next(m for m in network.modules() if isinstance(m, nn.Conv1d))
    norm = next(m for m in network.modules() if isinstance(m, nn.BatchNorm2d))
    frames = torch.cat([conv(clip[None])[0] for clip in clips], dim=1)
    assert_close(norm.running_mean, 0.1 * frames.mean(1), "float64")
    assert_close(norm.running_var, 0.9 + 0.1 * frames.var(1), "float64")
    assert norm.num_batches_tracked == 1


@pytest.mark.parametrize("dilation", [1, 3])
def test_receptive_field_is_41_frames_times_dilation(dilation: int) -> None:
    network = unsettled(FrameImportance(4, dilation)).double()
    reach, spectrogram = 20 * dilation, torch.randn(1, 4, 161, dtype=torch.float64)
    before = network(spectrogram)
    spectrogram[..., 80] += 1
    moved = torch.nonzero(network(spectrogram)[0] != before[0]).flatten()
    assert (moved.min(), moved.max()) == (80 - reach, 80 + reach)


def test_starts_near_uniform_importance_and_sees_both_signs() -> None:
    for seed in range(10):
        torch.manual_seed(seed)
        network = FrameImportance(16).train()
        spectrogram = torch.randn(8, 16, 200)
        logits = network(spectrogram)
        assert logits.std() > 1e-3, "a constant importance learns nothing"
        scores = torch.sigmoid(logits)
        assert scores.min() / scores.max() > 0.5, "far from uniform"
        last = next(reversed([m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]))
        nn.init.constant_(last.weight, 1.0)
        assert network(spectrogram).amin() < 0 < network(spectrogram).amax()


@pytest.mark.parametrize(("n_bands", "dilation"), [(0, 1), (8, 0)])
def test_a_network_of_nothing_is_refused(n_bands: int, dilation: int) -> None:
    with pytest.raises(UsageError, match="wanted at least 1"):
        FrameImportance(n_bands, dilation)


# Rescaling


def log_scores(kind: str, n_frames: int) -> Tensor:
    return {
        "sigmoids": nn.functional.logsigmoid(torch.randn(n_frames, dtype=torch.float64)),
        "spiky": nn.functional.logsigmoid(12 * torch.randn(n_frames, dtype=torch.float64)),
        "constant": torch.full((n_frames,), -0.7, dtype=torch.float64),
        "would underflow": -1000 + 20 * torch.randn(n_frames, dtype=torch.float64),
        "far apart": -700 * torch.rand(n_frames, dtype=torch.float64),
        "two heights": torch.where(torch.arange(n_frames) % 5 == 0, 0.0, -9.0).double(),
    }[kind]


SCORES = ("sigmoids", "spiky", "constant", "would underflow", "far apart", "two heights")


@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize(("n_frames", "n_kept"), [(40, 10), (40, 39), (40, 1), (40, 8), (7, 3), (1, 1), (200, 150)])
def test_rescaling_is_the_bisection(kind: str, n_frames: int, n_kept: int) -> None:
    scores = log_scores(kind, n_frames)
    importance = rescale(scores[None], torch.tensor([n_kept]))[0]
    expected = torch.tensor(oracle.rescale(scores.tolist(), n_kept), dtype=torch.float64)
    assert_close(importance, expected, "bisection")
    assert_close(importance.sum(), torch.tensor(n_kept, dtype=torch.float64), "float64")


@FEW
@given(st.lists(st.floats(-50, 0), min_size=1, max_size=40), st.floats(0, 1), st.floats(-100, 100))
def test_rescaling_fills_every_output_keeps_order_and_forgets_the_scale(
    values: list[float], share: float, shift: float
) -> None:
    scores = torch.tensor([values], dtype=torch.float64)
    n_kept = torch.tensor([max(1, round(share * len(values)))])
    importance = rescale(scores, n_kept)
    assert ((importance >= 0) & (importance <= 1)).all()
    assert_close(importance.sum(), n_kept.sum().double(), "float64")
    assert (importance[0, scores[0].argsort()].diff() >= 0).all()
    assert_close(rescale(scores + shift, n_kept), importance, "bisection")


@FEW
@given(st.integers(1, 60), st.floats(0, 1))
def test_equal_scores_give_uniform_importance(n_frames: int, share: float) -> None:
    n_kept = max(1, round(share * n_frames))
    importance = rescale(torch.full((1, n_frames), -3.0, dtype=torch.float64), torch.tensor([n_kept]))
    assert_close(importance, torch.full((1, n_frames), n_kept / n_frames, dtype=torch.float64), "float64")


def test_all_frames_kept_is_ones_without_gradient() -> None:
    scores = log_scores("spiky", 12)[None].requires_grad_()
    importance = rescale(scores, torch.tensor([12]))
    assert_close(importance, torch.ones(1, 12), "exact")
    (gradient,) = torch.autograd.grad((importance * torch.randn(1, 12)).sum(), scores)
    assert (gradient == 0).all()


@pytest.mark.parametrize("n_positive", [0, 1, 3, 4, 7])
def test_fewer_scores_than_outputs_leave_the_rest_to_the_zeros(n_positive: int) -> None:
    scores = torch.full((1, 12), -torch.inf, dtype=torch.float64)
    scores[0, 2 : 2 + n_positive] = log_scores("sigmoids", n_positive)
    scores.requires_grad_()
    lengths, n_kept = torch.tensor([10]), torch.tensor([4])
    importance = rescale(scores, n_kept, lengths)
    expected = [*oracle.rescale(scores[0, :10].tolist(), 4), 0.0, 0.0]
    assert_close(importance[0], torch.tensor(expected, dtype=torch.float64), "bisection")
    (gradient,) = torch.autograd.grad((importance * torch.randn(1, 12)).sum(), scores)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("form", [rescale, rescale_paper])
@pytest.mark.parametrize("rubbish", [RUBBISH, -torch.inf, 1e30])
def test_each_clip_is_rescaled_by_itself(form: object, rubbish: float) -> None:
    lengths, n_kept = torch.tensor([20, 9, 1]), torch.tensor([5, 9, 1])
    scores = torch.full((3, 23), rubbish, dtype=torch.float64)
    for i, length in enumerate(lengths):
        scores[i, :length] = log_scores("spiky", int(length))
    together = form(scores, n_kept, lengths)
    for i, length in enumerate(lengths):
        alone = form(scores[i : i + 1, :length], n_kept[i : i + 1])
        assert_close(together[i : i + 1, :length], alone, "float64")
        assert (together[i, length:] == 0).all()


@pytest.mark.parametrize("kind", ["sigmoids", "constant", "two heights"])
def test_the_papers_rescaling_is_literal(kind: str) -> None:
    scores = log_scores(kind, 20)
    for n_kept in (1, 5, 19):
        expected = oracle.rescale_paper(scores.exp().tolist(), n_kept)
        actual = rescale_paper(scores[None], torch.tensor([n_kept]))[0]
        assert_close(actual, torch.tensor(expected, dtype=torch.float64), "float64")


def test_the_papers_rescaling_leaves_outputs_empty_and_ours_does_not() -> None:
    scores, n_kept = log_scores("two heights", 40)[None], torch.tensor([10])
    assert rescale_paper(scores, n_kept).sum() < 9
    assert rescale(scores, n_kept).sum().item() == pytest.approx(10)


def logits_of(kind: str, n_frames: int) -> Tensor:
    """(3, frame) float32."""
    logits = 2 * torch.randn(3, n_frames)
    return {
        "plain": logits,
        "equal": torch.zeros_like(logits),
        "a few at one": torch.where(logits > 1, 40.0, logits - 8),
        "one after the other": torch.linspace(-30, 30, n_frames).expand(3, -1),
        "far below": logits - 800,
        "one far above": torch.where(torch.arange(n_frames) == n_frames // 2, 800.0, logits - 800),
    }[kind].clone()


@pytest.mark.parametrize("n_kept", [1, 5, 19, 20])
@pytest.mark.parametrize("lengths", [None, [20, 20, 20], [20, 20, 0]])
@pytest.mark.parametrize(
    "kind", ["plain", "equal", "a few at one", "one after the other", "far below", "one far above"]
)
def test_logits_without_gradients_are_rescaled_as_with_them(kind: str, lengths: list[int] | None, n_kept: int) -> None:
    logits, kept = logits_of(kind, 20), torch.full((3,), n_kept)
    n = None if lengths is None else torch.tensor(lengths)
    kept = kept if n is None else torch.minimum(kept, n)
    expected = rescale_logits(logits, kept, n)
    with torch.no_grad():
        found = rescale_logits(logits, kept, n)
    assert found.dtype == expected.dtype == torch.float64
    assert_close(found, expected, "bisection")
    assert_close(found.sum(1), kept.double(), "bisection")
    if n_kept == 20:
        assert_close(found, expected, "exact")


@pytest.mark.parametrize("rubbish", [RUBBISH, torch.nan, -torch.inf, 1e30])
def test_logits_beyond_a_clip_count_for_nothing(rubbish: float) -> None:
    lengths, kept = torch.tensor([20, 9, 1]), torch.tensor([5, 9, 1])
    logits = logits_of("a few at one", 20).masked_fill(~length_mask(lengths, 20), rubbish)
    with torch.no_grad():
        together = rescale_logits(logits, kept, lengths)
    for i, (length, n_kept) in enumerate(zip(lengths.tolist(), kept.tolist(), strict=True)):
        alone = oracle.rescale(nn.functional.logsigmoid(logits[i, :length].double()).tolist(), n_kept)
        assert_close(together[i, :length], torch.tensor(alone, dtype=torch.float64), "bisection")
        assert (together[i, length:] == 0).all()


@pytest.mark.parametrize("form", [rescale, rescale_paper])
@pytest.mark.parametrize("kind", ["sigmoids", "spiky"])
def test_gradcheck_of_rescaling(form: object, kind: str) -> None:
    scores = torch.stack([log_scores(kind, 12), log_scores(kind, 12)])
    lengths, n_kept = torch.tensor([12, 8]), torch.tensor([5, 3])
    assert torch.autograd.gradcheck(lambda x: form(x, n_kept, lengths), (scores.requires_grad_(),))


@pytest.mark.parametrize("kind", SCORES)
def test_gradient_of_rescaling_is_finite_and_keeps_the_sum(kind: str) -> None:
    scores = log_scores(kind, 60)[None].requires_grad_()
    importance = rescale(scores, torch.tensor([15]))
    (gradient,) = torch.autograd.grad((importance * torch.randn(1, 60)).sum(), scores)
    assert torch.isfinite(gradient).all()
    assert abs(gradient.sum()) < 1e-9 * gradient.abs().max().clamp_min(1)  # a common factor changes nothing


@pytest.mark.parametrize("n_frames", [1000, 100_000])
def test_float32_importance_still_fills_the_outputs(n_frames: int) -> None:
    scores = nn.functional.logsigmoid(5 * torch.randn(2, n_frames))
    n_kept = torch.tensor([n_frames // 4, n_frames // 2])
    importance = rescale(scores, n_kept)
    assert importance.dtype == torch.float32
    assert_close(importance.double().sum(1), n_kept.double(), "long")


# Guide loss, activeness, energy


def example(n_frames: int = 30) -> tuple[Tensor, Tensor]:
    return torch.rand(4, n_frames, dtype=torch.float64), torch.rand(4, n_frames) < 0.4


@pytest.mark.parametrize("normalizer", [0.25, 0.75, torch.tensor([[0.1], [0.2], [0.5], [1.0]])])
@pytest.mark.parametrize("guide_lambda", [0.0, 0.5, 2.0])
def test_guide_loss_and_activeness_are_their_loops(normalizer: Tensor | float, guide_lambda: float) -> None:
    importance, empty = example()
    empty[2], empty[3] = False, True  # a clip without an empty frame, a clip without an active one
    each = torch.as_tensor(normalizer).double().expand(4, 1).flatten().tolist()
    rows = list(zip(importance.tolist(), empty.tolist(), each, strict=True))
    losses = [oracle.guide_loss(s, e, n, guide_lambda) for s, e, n in rows]
    assert_close(
        guide_loss(importance, empty, normalizer, guide_lambda),
        torch.tensor(math.fsum(losses) / 4),
        "float32",
    )
    active = [oracle.activeness(s, [not x for x in e], n) for s, e, n in rows]
    assert_close(activeness(importance, ~empty, normalizer), torch.tensor(math.fsum(active) / 4), "float32")
    assert losses[2] == 0
    assert active[3] == 0


def test_guide_loss_pushes_importance_off_empty_frames() -> None:
    importance, empty = example()
    importance.requires_grad_()
    guide_loss(importance, empty, 0.25).backward()
    assert importance.grad is not None
    above = empty & (importance / 0.25 > 0.5)
    assert (importance.grad[above] > 0).all()  # to descend is to lower importance
    assert (importance.grad[~above] == 0).all()


def test_uniform_importance_has_no_activeness() -> None:
    assert_close(activeness(torch.full((2, 10), 0.25), torch.ones(2, 10) > 0, 0.25), torch.tensor(0.0), "exact")


def test_energy_is_the_root_mean_square_over_bands() -> None:
    energies = torch.rand(2, 5, 4, dtype=torch.float64)
    expected = torch.tensor([oracle.frame_energy(clip) for clip in energies], dtype=torch.float64)
    assert_close(frame_energy(energies), expected, "float64")
