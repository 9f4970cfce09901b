"""PCEN: the recursion by its definition, its limits, in stretches, and what it costs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from oracles import leaf as oracle
from tenuto import PCEN, UsageError
from tenuto.frontend.pcen import smooth
from tolerances import assert_close
from trials import TRIALS, Outcome, Subject


def energies(n_bands: int, n_frames: int, n_clips: int = 1) -> Tensor:
    return torch.rand(n_clips, n_bands, n_frames, dtype=torch.float64) ** 4 * 1e-2


@pytest.mark.parametrize("n_frames", [1, 2, 3, 31, 32, 33, 97, 100, 1000, 1024, 1031])
def test_the_recursion_is_the_loop(n_frames: int) -> None:
    x = energies(5, n_frames, 2)
    expected = torch.stack([torch.from_numpy(oracle.pcen(clip.numpy())) for clip in x])
    assert_close(PCEN(5).double()(x), expected, "starts in float32")


@pytest.mark.parametrize("coefficient", [0.0, 1e-6, 0.5, 1.0])
def test_any_coefficient_smooths(coefficient: float) -> None:
    x, s = energies(2, 2000), torch.full((2,), coefficient, dtype=torch.float64)
    mean, expected = x[..., 0], []
    for k in range(2000):
        mean = (1 - coefficient) * mean + coefficient * x[..., k]
        expected.append(mean)
    assert_close(smooth(x, s, x[..., 0]), torch.stack(expected, -1), "float64")


@pytest.mark.parametrize("n_frames", [1, 9, 16, 17, 100, 161])
@pytest.mark.parametrize("starts", ["with the first frame", "with what was before"])
def test_gradients_of_the_recursion_are_those_of_the_loop(n_frames: int, starts: str) -> None:
    x, s, before = energies(3, n_frames, 2).requires_grad_(), torch.tensor([0.0, 0.04, 1.0]).double(), torch.rand(2, 3)
    start = before.double().requires_grad_() if starts == "with what was before" else None
    inputs = [each for each in (x, s.requires_grad_(), start) if each is not None]
    mean, expected = x[..., 0] if start is None else start, []
    for k in range(n_frames):
        mean = (1 - s) * mean + s * x[..., k]
        expected.append(mean)
    asked = torch.rand_like(x)
    for found, wanted in zip(
        torch.autograd.grad((smooth(x, s, start, 0.5) * asked).sum(), inputs),
        torch.autograd.grad(((torch.stack(expected, -1) + 0.5) * asked).sum(), inputs),
        strict=True,
    ):
        assert_close(found, wanted, "float64")


def test_each_band_has_its_own_parameters() -> None:
    layer, x = PCEN(3).double(), energies(3, 50)
    with torch.no_grad():
        layer.smoothing[1], layer.alpha[1], layer.delta[1], layer.root[1] = 0.5, 0.25, 0.5, 4.0
    expected = oracle.pcen(x[0].numpy(), alpha=0.25, s=0.5, delta=0.5, root=4.0)
    assert_close(layer(x)[0, 1], torch.from_numpy(expected)[1], "starts in float32")
    assert_close(layer(x)[0, 2], torch.from_numpy(oracle.pcen(x[0].numpy()))[2], "starts in float32")


def test_stretches_say_what_one_pass_says() -> None:
    layer, x = PCEN(4).double(), energies(4, 203)
    mean, parts = None, []
    for part in x.split([1, 100, 60, 42], dim=-1):
        compressed, mean = layer.chunk(part, mean)
        parts.append(compressed)
    assert_close(torch.cat(parts, -1), layer(x), "float64")


@pytest.mark.parametrize("rubbish", [torch.nan, torch.inf])
def test_what_lies_beyond_a_clip_is_not_read(rubbish: float) -> None:
    layer, x, lengths = PCEN(4).double(), energies(4, 64, 2), torch.tensor([50, 64])
    expected = layer(x, lengths)
    x[0, :, 50:] = rubbish
    assert_close(layer(x, lengths), expected, "exact")


def test_limits() -> None:
    x = energies(2, 40).clamp_min(1e-5)
    assert_close(PCEN(2, alpha=0.0).double()(x), (x + 2).sqrt() - 2**0.5, "float64")
    alone = PCEN(2, alpha=1.0, smoothing=1.0).double()(x)  # each energy divided by itself
    assert_close(alone, torch.full_like(x, 3**0.5 - 2**0.5), "starts in float32")
    constant = PCEN(2).double()(torch.full_like(x, 0.3))
    assert_close(constant, torch.full_like(x, (0.3**0.04 + 2) ** 0.5 - 2**0.5), "starts in float32")
    assert (PCEN(2)(torch.zeros(1, 2, 30)) >= 0).all()


def test_parameters_stay_within_their_bounds_and_come_back() -> None:
    layer = PCEN(2)
    with torch.no_grad():
        layer.delta.fill_(-3.0)
        layer.smoothing.fill_(1.5)
    compressed = layer(energies(2, 30).float())
    assert torch.isfinite(compressed).all()
    compressed.sum().backward()
    inward = -layer.delta.grad.sign()  # where a step of gradient descent goes
    assert ((inward > 0) | (layer.delta.grad == 0)).all()


def test_its_gradients_are_those_of_differences() -> None:
    layer, x = PCEN(2).double(), (0.01 + energies(2, 20)).requires_grad_()
    names = [name for name, _ in layer.named_parameters()]

    def compressed(values: Tensor, *parameters: Tensor) -> Tensor:
        out: Tensor = torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (values,))
        return out

    assert torch.autograd.gradcheck(compressed, (x, *layer.parameters()))


class Written(TorchDispatchMode):
    """Counts calls, and the numbers they write."""

    n_calls = n_written = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view and func is not torch.ops.aten._unsafe_view.default and isinstance(out, Tensor):
            self.n_calls += 1
            self.n_written += out.numel()
        return out


@pytest.mark.parametrize("n_frames", [100, 10_000])
def test_ten_passes_over_its_input_and_no_loop_over_frames(n_frames: int) -> None:
    layer, x = PCEN(40), torch.rand(4, 40, n_frames)
    with torch.no_grad(), Written() as written:
        layer(x)
    assert written.n_written <= 10 * x.numel()
    assert written.n_calls < 200


def test_refusals() -> None:
    with pytest.raises(UsageError, match=r"root is 0.5; wanted 1 to inf"):
        PCEN(4, root=0.5)
    with pytest.raises(UsageError, match=r"\(1, 3, 9\); wanted \(batch, 4"):
        PCEN(4)(torch.rand(1, 3, 9))


SUBJECT = Subject(
    "PCEN",
    lambda: PCEN(4),
    lambda n, length: torch.rand(n, 4, length),
    lambda layer, x, lengths: Outcome(
        layer(x, lengths), torch.full((len(x),), x.shape[-1]) if lengths is None else lengths
    ),
)


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.__name__)
def test_trials(trial: Any) -> None:
    trial(SUBJECT)
