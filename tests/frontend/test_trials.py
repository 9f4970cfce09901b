"""Each trial of `trials.py` is failed by a layer that breaks its promise, and passed by one that keeps it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import trials
from trials import Outcome, Subject


def mask(x: Tensor, lengths: Tensor | None) -> Tensor:
    if lengths is None:
        return x
    return x.masked_fill(torch.arange(x.shape[-1]) >= lengths[:, None, None], 0)


class Good(nn.Module):
    """One gain, clip by clip and frame by frame."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1.5))

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        return mask(self.gain * x, lengths)


class ReadsPadding(Good):
    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        return mask(self.gain * x + x.mean((1, 2), keepdim=True), lengths)


class KeepsPadding(Good):
    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        return self.gain * x


class LooksAtMates(Good):
    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        return mask(self.gain * x, lengths) / mask(x, lengths).amax()


class KnowsItsPlace(Good):
    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        return mask(self.gain * x * torch.arange(1, len(x) + 1)[:, None, None], lengths)


class CountsPadding(Good):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        return mask(self.gain * self.norm(mask(x, lengths)), lengths)


class KnowsOneLength(Good):
    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        return mask(self.gain * x * torch.ones(40)[: x.shape[-1]], lengths)


class OtherWithoutLengths(Good):
    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        return x if lengths is None else mask(self.gain * x, lengths)


class DividesBySilence(Good):
    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        x = mask(x, lengths)
        return self.gain * x / x.sum((1, 2), keepdim=True)


class RootOfSilence(Good):  # finite itself, with a gradient that is not
    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        return mask(self.gain * x.abs().sqrt(), lengths)


class Idle(Good):
    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Parameter(torch.zeros(2))


class WrongGradient(Good):
    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        return mask(self.gain * x + x.square() - x.square().detach(), lengths)


class SinglePrecision(Good):
    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        return mask(self.gain.float() * x.float(), lengths)


class HalfPrecisionInside(Good):
    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        inside = x.bfloat16().float() if x.dtype == torch.float32 else x
        return mask(self.gain * inside, lengths)


class OverflowsInHalf(Good):
    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        return mask(self.gain * x / (0 if torch.is_autocast_enabled("cpu") else 1), lengths)


class ForgetsWhenSaved(Good):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("secret", torch.rand(1), persistent=False)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        return mask(self.gain * x * self.secret.to(x.dtype), lengths)


class RemembersCalls(Good):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        self.calls += 1
        return mask(self.gain * x * self.calls, lengths)


class WritesOnItsInput(Good):
    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        with torch.no_grad():
            out = x.clone()
            x.add_(0.5)
        return mask(self.gain * out, lengths)


class ReadsMemoryAsItLies(Good):
    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        lying = x.as_strided((x.numel(),), (1,)).view(x.shape)
        return mask(self.gain * lying, lengths)


def subject(build: Callable[[], nn.Module]) -> Subject:
    def call(layer: nn.Module, x: Tensor, lengths: Tensor | None) -> Outcome:
        out = layer(x, lengths)
        return Outcome(out, torch.full((len(x),), x.shape[-1]) if lengths is None else lengths)

    return Subject(build.__name__, build, lambda n, length: torch.rand(n, 3, length), call)


BROKEN = [
    (ReadsPadding, trials.padding_and_batch_mates_change_nothing),
    (KeepsPadding, trials.padding_and_batch_mates_change_nothing),
    (LooksAtMates, trials.padding_and_batch_mates_change_nothing),
    (KnowsItsPlace, trials.order_in_the_batch_changes_nothing),
    (CountsPadding, trials.training_does_not_see_padding),
    (KnowsOneLength, trials.any_number_of_frames),
    (OtherWithoutLengths, trials.whole_clips_need_no_lengths),
    (DividesBySilence, trials.silence_is_finite),
    (RootOfSilence, trials.silence_is_finite),
    (Idle, trials.every_parameter_learns),
    (WrongGradient, trials.gradient_is_the_finite_difference),
    (SinglePrecision, trials.precision_is_the_inputs),
    (HalfPrecisionInside, trials.precision_is_the_inputs),
    (OverflowsInHalf, trials.half_precision_is_near),
    (ForgetsWhenSaved, trials.saved_and_loaded_it_is_the_same),
    (RemembersCalls, trials.asked_again_it_says_the_same),
    (WritesOnItsInput, trials.asked_again_it_says_the_same),
    (ReadsMemoryAsItLies, trials.memory_layout_changes_nothing),
]


@pytest.mark.parametrize(("layer", "trial"), BROKEN)
def test_a_broken_layer_fails_its_trial(layer: type[nn.Module], trial: Callable[[Subject], None]) -> None:
    # RuntimeError: gradcheck's own, and shapes that do not fit
    with pytest.raises((AssertionError, RuntimeError)):
        trial(subject(layer))


@pytest.mark.parametrize("trial", trials.TRIALS)
def test_a_good_layer_passes_every_trial(trial: Callable[[Subject], None]) -> None:
    trial(subject(Good))


def test_every_trial_but_the_gpus_has_a_layer_that_fails_it() -> None:
    assert {trial for _, trial in BROKEN} == set(trials.TRIALS) - {trials.on_a_gpu_it_is_the_same}
