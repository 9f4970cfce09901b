"""One set of trials that every layer goes through, from waveform or spectrogram to features.

A `Subject` says how to build a layer, feed it and call it; each function of `TRIALS` raises AssertionError where the
layer breaks a promise that all layers make. `tests/frontend/test_trials.py` shows that each trial can.
"""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from tolerances import TOLERANCES, assert_close

RUBBISH = 7.0  # what stands beyond a clip's length: louder than anything in it
PADDINGS = (0, 10, 1000)  # frames, or samples


class Outcome(NamedTuple):
    """What a layer says of a batch."""

    features: Tensor  # (batch, ..., out)
    lengths: Tensor  # (batch,) valid outputs of each clip
    importance: Tensor | None = None  # (batch, frame)
    losses: Tensor | None = None  # (2,) averages over the clips of the batch: guide loss, activeness


@dataclass(frozen=True)
class Subject:
    """A layer on trial. Lengths are counted in `step`s: 1 for spectrograms, the hop for waveforms."""

    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[int, int], Tensor]  # (n_clips, length) -> (batch, ..., length)
    call: Callable[[nn.Module, Tensor, Tensor | None], Outcome]
    step: int = 1
    smooth: bool = True  # False where the output jumps with the input, so that finite differences say nothing

    def __str__(self) -> str:
        return self.name

    def clips(self) -> list[Tensor]:
        """Three clips of 40, 25 and 7 steps, each (1, ..., length)."""
        return [self.inputs(1, n * self.step) for n in (40, 25, 7)]


def unsettled(module: nn.Module) -> nn.Module:
    """Batch norms as if trained, so that what depends on them differs from frame to frame; in evaluation mode."""
    for norm in module.modules():
        if isinstance(getattr(norm, "running_mean", None), Tensor):
            nn.init.normal_(norm.running_mean, std=0.1)
            nn.init.uniform_(norm.running_var, 0.5, 1.5)
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias, std=0.3)
    return module.eval()


def pad(clips: list[Tensor], n_padding: int) -> tuple[Tensor, Tensor]:
    """Clips (1, ..., length) -> one batch with rubbish behind each, and their lengths (batch,)."""
    lengths = torch.tensor([clip.shape[-1] for clip in clips])
    n = int(lengths.max()) + n_padding
    return torch.cat([nn.functional.pad(c, (0, n - c.shape[-1]), value=RUBBISH) for c in clips]), lengths


def clip_of(outcome: Outcome, i: int) -> Outcome:
    """Clip i for itself, without what lies beyond its length, which must be zero."""
    n = int(outcome.lengths[i])
    beyond = outcome.features[i : i + 1, ..., n:]
    assert (beyond == 0).all(), f"features beyond the {n} valid ones are not zero"
    return Outcome(outcome.features[i : i + 1, ..., :n], outcome.lengths[i : i + 1])


def assert_same_clips(actual: Outcome, expected: list[Outcome], n_frames: list[int], kind: str) -> None:
    """Each clip of `actual` is that of `expected`, each alone: features, lengths, importance; losses on average."""
    for i, alone in enumerate(expected):
        one = clip_of(actual, i)
        assert one.lengths.tolist() == alone.lengths.tolist()
        assert_close(one.features, clip_of(alone, 0).features, kind)
        if actual.importance is not None:
            assert alone.importance is not None
            assert_close(actual.importance[i, : n_frames[i]], alone.importance[0, : n_frames[i]], kind)
            assert (actual.importance[i, n_frames[i] :] == 0).all(), "padding has importance"
    if actual.losses is not None:
        assert_close(actual.losses, torch.stack([x.losses for x in expected if x.losses is not None]).mean(0), kind)


# The trials


def padding_and_batch_mates_change_nothing(subject: Subject) -> None:
    layer, clips = unsettled(subject.build()), subject.clips()
    alone = [subject.call(layer, clip, None) for clip in clips]
    n_frames = [-(-clip.shape[-1] // subject.step) for clip in clips]
    for n_padding in PADDINGS:
        assert_same_clips(subject.call(layer, *pad(clips, n_padding)), alone, n_frames, "padding")
        for clip, expected, n in zip(clips, alone, n_frames, strict=True):
            assert_same_clips(subject.call(layer, *pad([clip], n_padding)), [expected], [n], "padding")


def order_in_the_batch_changes_nothing(subject: Subject) -> None:
    layer, clips = unsettled(subject.build()), subject.clips()
    there, back = subject.call(layer, *pad(clips, 3)), subject.call(layer, *pad(clips[::-1], 3))
    for i in range(3):
        assert_close(clip_of(there, i).features, clip_of(back, 2 - i).features, "float32")


def training_does_not_see_padding(subject: Subject) -> None:
    """Outputs, and the statistics that batch norms keep, in training mode."""
    clips, seen = [clip.double() for clip in subject.clips()], []
    layer = unsettled(subject.build()).double()
    for n_padding in PADDINGS:
        trained = copy.deepcopy(layer).train()
        outcome = subject.call(trained, *pad(clips, n_padding))
        seen.append(([clip_of(outcome, i).features for i in range(3)], list(trained.buffers())))
    for features, buffers in seen[1:]:
        for actual, expected in zip([*features, *buffers], [*seen[0][0], *seen[0][1]], strict=True):
            assert_close(actual, expected, "statistics")


def any_number_of_frames(subject: Subject) -> None:
    layer = unsettled(subject.build())
    for n in (1, 2, 3, 17, 100, 333):
        outcome = subject.call(layer, subject.inputs(2, n * subject.step), None)
        assert 1 <= int(outcome.lengths.max()) == outcome.features.shape[-1]
        assert torch.isfinite(outcome.features).all()


def whole_clips_need_no_lengths(subject: Subject) -> None:
    layer, batch = unsettled(subject.build()), subject.inputs(2, 30 * subject.step)
    lengths = torch.full((2,), batch.shape[-1])
    with_lengths, without = subject.call(layer, batch, lengths), subject.call(layer, batch, None)
    assert_close(with_lengths.features, without.features, "float32")
    assert with_lengths.lengths.tolist() == without.lengths.tolist()


def silence_is_finite(subject: Subject) -> None:
    for training in (False, True):
        layer = subject.build().train(training)
        batch = torch.zeros_like(subject.inputs(2, 20 * subject.step)).requires_grad_()
        outcome = subject.call(layer, batch, torch.tensor([20, 5]) * subject.step)
        total = outcome.features.sum()
        for extra in (outcome.importance, outcome.losses):
            total = total if extra is None else total + extra.sum()
        assert torch.isfinite(total)
        if total.requires_grad:
            total.backward()
        grads = [x.grad for x in (batch, *layer.parameters()) if x.grad is not None]
        assert all(torch.isfinite(grad).all() for grad in grads), "a gradient on silence is not finite"


def every_parameter_learns(subject: Subject) -> None:
    layer = unsettled(subject.build()).train()
    if not list(layer.parameters()):
        return
    outcome = subject.call(layer, *pad(subject.clips(), 5))
    (outcome.features * torch.randn_like(outcome.features)).sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, f"{name} gets no gradient"
        assert torch.isfinite(parameter.grad).all(), f"{name} gets a gradient that is not finite"
        assert parameter.grad.abs().max() > 0 or _before_batch_norm(name), f"{name} gets a zero gradient"


def _before_batch_norm(name: str) -> bool:
    """A convolution's bias is taken out again by the batch norm behind it: its gradient is zero up to rounding."""
    return "conv" in name and name.endswith("bias")


def gradient_is_the_finite_difference(subject: Subject) -> None:
    if not subject.smooth:
        return
    layer = unsettled(subject.build()).double()
    batch = subject.inputs(2, 6 * subject.step).double().requires_grad_()
    lengths = torch.tensor([6, 4]) * subject.step
    assert torch.autograd.gradcheck(
        lambda x: subject.call(layer, x, lengths).features, (batch,), eps=1e-6, atol=1e-4, rtol=1e-4
    )


def precision_is_the_inputs(subject: Subject) -> None:
    layer, batch = unsettled(subject.build()), subject.inputs(2, 30 * subject.step)
    single = subject.call(layer, batch, None).features
    double = subject.call(copy.deepcopy(layer).double(), batch.double(), None).features
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    if subject.smooth:
        assert_close(single, double, "log of float32")


def half_precision_is_near(subject: Subject) -> None:
    layer, batch = unsettled(subject.build()), subject.inputs(2, 30 * subject.step)
    single = subject.call(layer, batch, None).features
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = subject.call(layer, batch, None).features
    assert half.shape == single.shape
    assert torch.isfinite(half).all()
    if subject.smooth:
        spread = (half.double() - single.double()).square().mean().sqrt()
        assert spread < TOLERANCES["bfloat16"].absolute * single.std().clamp_min(1e-3)


def saved_and_loaded_it_is_the_same(subject: Subject) -> None:
    layer, batch = unsettled(subject.build()), subject.inputs(2, 30 * subject.step)
    expected, file = subject.call(layer, batch, None).features, io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    fresh = subject.build().eval()
    fresh.load_state_dict(torch.load(file, weights_only=True))
    for twin in (fresh, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert_close(subject.call(twin, batch, None).features, expected, "exact")


def asked_again_it_says_the_same(subject: Subject) -> None:
    layer, batch = unsettled(subject.build()), subject.inputs(2, 30 * subject.step)
    before, state = batch.clone(), copy.deepcopy(layer.state_dict())
    first = subject.call(layer, batch, None).features
    assert_close(subject.call(layer, batch, None).features, first, "exact")
    assert_close(batch, before, "exact")
    for name, value in layer.state_dict().items():
        assert_close(value, state[name], "exact")


def memory_layout_changes_nothing(subject: Subject) -> None:
    layer, batch = unsettled(subject.build()), subject.inputs(2, 30 * subject.step)
    expected = subject.call(layer, batch, None).features
    other = batch.transpose(0, -1).contiguous().transpose(0, -1)
    assert_close(subject.call(layer, other, None).features, expected, "padding")


def on_a_gpu_it_is_the_same(subject: Subject) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    layer, (batch, lengths) = unsettled(subject.build()).double(), pad(subject.clips(), 5)
    expected = subject.call(layer, batch.double(), lengths)
    actual = subject.call(layer.cuda(), batch.double().cuda(), lengths.cuda())
    assert_close(actual.features.cpu(), expected.features, "float32")


TRIALS = (
    padding_and_batch_mates_change_nothing,
    order_in_the_batch_changes_nothing,
    training_does_not_see_padding,
    any_number_of_frames,
    whole_clips_need_no_lengths,
    silence_is_finite,
    every_parameter_learns,
    gradient_is_the_finite_difference,
    precision_is_the_inputs,
    half_precision_is_near,
    saved_and_loaded_it_is_the_same,
    asked_again_it_says_the_same,
    memory_layout_changes_nothing,
    on_a_gpu_it_is_the_same,
)
