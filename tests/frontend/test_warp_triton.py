"""The Triton kernels against the PyTorch warp: on a GPU, and everywhere else in Triton's own interpreter.

The interpreter has to be chosen before Triton is imported, so `test_in_the_interpreter` runs this file once more, in
a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType

import pytest
import torch
from torch import Tensor

from tenuto import DiffRes
from tenuto.frontend import _warp_kernels as door
from tenuto.frontend import _warp_torch
from tenuto.frontend._warp_kernels import sums_and_max

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
TOLERANCES = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 3e-2}
N_BANDS, N_FRAMES, N_OUT = 20, 23, 7  # neither a power of two nor a multiple of anything

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")


@pytest.fixture
def kernels() -> ModuleType:
    if not (INTERPRETED or torch.cuda.is_available()):
        pytest.skip("no GPU here; test_in_the_interpreter runs this")
    from tenuto.frontend import _warp_triton

    return _warp_triton


def importances(kind: str) -> Tensor:
    """(3, N_FRAMES): clips of all frames, of some, and of one frame in the batch."""
    scores = torch.rand(3, N_FRAMES, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    lengths, kept = torch.tensor([N_FRAMES, 14, 1])[:, None], torch.tensor([N_OUT, 5, 1])[:, None]
    inside = torch.arange(N_FRAMES) < lengths
    if kind == "spiky":
        scores = scores**8
    if kind == "even":
        scores = torch.ones_like(scores)
    if kind == "nothing":
        return torch.zeros_like(scores)
    scores = scores * inside
    scores = scores / scores.sum(1, keepdim=True) * kept
    return scores * 1.7 if kind == "too much" else scores.clamp_max(1)


def results(
    kernel: ModuleType, cut: str, importance: Tensor, dtype: torch.dtype, together: bool = False
) -> list[Tensor]:
    """Mean, maximum, warped encoding, and the gradients to frames and importance; `together`: of one call."""
    device = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"
    random = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random).to(device, dtype)

    frames = noise(3, N_BANDS, N_FRAMES).round(decimals=1).requires_grad_()  # rounded: some are equal
    importance = importance.to(device).requires_grad_()
    cuts = getattr(kernel, cut)(importance, N_OUT)
    positions = noise(1, N_BANDS, N_FRAMES)
    if together:
        mean, largest, encoding = kernel.weighted_sums_and_max(frames, positions, cuts)
    else:
        mean, largest = kernel.weighted_sum_and_max(frames, cuts)
        encoding = kernel.weighted_sum(positions, cuts)
    weighted = sum((part * noise(*part.shape)).sum() for part in (mean, largest, encoding))
    gradients = torch.autograd.grad(weighted, (frames, importance))
    return [part.detach() for part in (mean, largest, encoding, *gradients)]


KINDS = ("random", "spiky", "even", "nothing", "too much")
CASES = [(cut, kind, torch.float64) for cut in ("segments", "whole_frames") for kind in KINDS]
CASES += [("segments", "random", torch.float32), ("segments", "spiky", torch.bfloat16)]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("cut", "kind", "dtype"), CASES, ids=str)
def test_it_is_the_pytorch_warp(kernels: ModuleType, cut: str, kind: str, dtype: torch.dtype, together: bool) -> None:
    expected = results(_warp_torch, cut, importances(kind), torch.float64 if dtype == torch.float64 else torch.float32)
    actual = results(kernels, cut, importances(kind), dtype, together)
    n_compared = 3 if dtype == torch.bfloat16 else 5  # rounded products tie elsewhere, which moves gradients
    for one, other in zip(actual[:n_compared], expected[:n_compared], strict=True):
        torch.testing.assert_close(
            one.to(other.dtype), other, atol=TOLERANCES[dtype] * (1 + float(other.abs().max())), rtol=0
        )


@pytest.mark.parametrize("kind", ["random", "spiky", "too much"])
def test_an_output_of_more_frames_than_are_read_at_a_time(
    kernels: ModuleType, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "_FORWARD", 64)  # two frames
    monkeypatch.setattr(kernels, "_BACKWARD", 32)
    monkeypatch.setattr(kernels, "_FRAMES", 8)
    expected = results(_warp_torch, "segments", importances(kind), torch.float64)
    for together in (True, False):
        found = results(kernels, "segments", importances(kind), torch.float64, together)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-12)


def test_positions_that_learn_have_their_gradient(kernels: ModuleType) -> None:
    found = []
    for kernel in (_warp_torch, kernels):
        frames, importance = noise(torch.float64), importances("random")
        positions = frames[:1].clone().requires_grad_()
        warped = sums_and_max(kernel, frames, positions, kernel.segments(importance.to(frames.device), N_OUT))
        found += torch.autograd.grad(warped[2].square().sum(), positions)
    torch.testing.assert_close(*found, atol=1e-12, rtol=1e-12)


def test_a_layer_learns_by_them(kernels: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features and gradients of a DiffRes, on clips of different length, are those of the PyTorch path."""
    log_mel, lengths = noise(torch.float32), torch.tensor([N_FRAMES, 14, 1])
    layer = DiffRes(N_BANDS, 0.7).to(log_mel.device)
    found: list[list[Tensor]] = []
    for kernel in (_warp_torch, kernels):
        monkeypatch.setattr("tenuto.frontend.warp.eager_kernel", lambda importance, chosen=kernel: chosen)
        features = layer(log_mel, lengths.to(log_mel.device)).features
        found.append([features.detach(), *torch.autograd.grad(features.square().mean(), list(layer.parameters()))])
    for expected, actual in zip(*found, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_importance_has_its_gradient_where_frames_want_none(kernels: ModuleType) -> None:
    found = []
    for wanted in (True, False):
        frames = noise(torch.float64).requires_grad_(wanted)
        importance = importances("spiky").to(frames.device).requires_grad_()
        mean, largest = kernels.weighted_sum_and_max(frames, kernels.segments(importance, N_OUT))
        found += torch.autograd.grad((mean.square() + largest.square()).sum(), importance)
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_what_lies_behind_a_clip_is_not_read(kernels: ModuleType) -> None:
    frames, importance = noise(torch.float32), importances("random")
    inside = (importance > 0).flip(1).cummax(1).values.flip(1)  # up to the last frame of each clip
    unread = torch.where(inside[:, None].to(frames.device), frames, torch.nan)
    cuts = kernels.segments(importance.to(frames.device), N_OUT)
    for clean, other in zip(
        kernels.weighted_sum_and_max(frames, cuts), kernels.weighted_sum_and_max(unread, cuts), strict=True
    ):
        torch.testing.assert_close(clean, other, rtol=0, atol=0)


def test_an_importance_that_is_no_number_is_seen(kernels: ModuleType) -> None:
    frames, importance = noise(torch.float32), importances("random")
    importance[0, 5] = torch.nan
    mean = kernels.weighted_sum(frames, kernels.segments(importance.to(frames.device), N_OUT))
    assert mean[0, :, -1].isnan().all()
    assert not mean[1:].isnan().any()


@pytest.mark.parametrize("learns", [True, False])
def test_an_energy_that_is_no_number_is_seen_in_the_maximum(kernels: ModuleType, learns: bool) -> None:
    frames, importance = noise(torch.float32), importances("random")
    frames[0, 2, 5] = torch.nan
    found = []
    with torch.set_grad_enabled(learns):
        for kernel in (_warp_torch, kernels):
            cuts = kernel.segments(importance.to(frames.device), N_OUT)
            found.append(kernel.weighted_sum_and_max(frames, cuts)[1])
    assert found[1][0, 2].isnan().any()
    torch.testing.assert_close(found[1], found[0], equal_nan=True, atol=1e-6, rtol=1e-5)


def test_gradients_of_a_mean_in_bfloat16(kernels: ModuleType) -> None:
    found = []
    for kernel, dtype in ((_warp_torch, torch.float64), (kernels, torch.bfloat16)):
        frames = noise(dtype).requires_grad_()
        importance = importances("random").to(frames.device).requires_grad_()
        mean = kernel.weighted_sum(frames, kernel.segments(importance, N_OUT))
        found.append(torch.autograd.grad(mean.square().sum(), (frames, importance)))
    for expected, actual in zip(*found, strict=True):
        assert (actual.double() - expected).norm() < 0.02 * expected.norm()


def noise(dtype: torch.dtype) -> Tensor:
    """(3, band, frame) on the device that the kernel is to run on."""
    device = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"
    return torch.randn(3, N_BANDS, N_FRAMES, generator=torch.Generator().manual_seed(0)).to(device, dtype)


def release(package: str) -> tuple[int, ...]:
    """Its major and minor version."""
    return tuple(map(int, version(package).split(".")[:2]))


def test_in_the_interpreter() -> None:
    """All of the above without a GPU."""
    if INTERPRETED:
        pytest.skip("this is the interpreter")
    if release("triton") < (3, 3):
        pytest.skip("this Triton is too old for the kernels")
    if release("triton") < (3, 7) and release("numpy") >= (2, 4):
        pytest.skip("the interpreter of a Triton before 3.7 wants a NumPy before 2.4")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__]
    command += ["-W", "ignore:Conversion of an array with ndim:DeprecationWarning"]  # the same interpreter's
    ended = subprocess.run(command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-3000:]
    assert "36 passed" in ended.stdout


def test_outputs_begin_and_end_where_a_search_finds_them(kernels: ModuleType) -> None:
    """Of more outputs than one program cuts, and of clips without a number, without importance, with too much."""
    n_frames, n_out = 700, 300
    importance = torch.rand(6, n_frames, dtype=torch.float64) ** 4
    importance *= torch.tensor([n_out, n_out, 130, n_out, n_out, 500])[:, None] / importance.sum(1, keepdim=True)
    importance[1, 90] = torch.nan
    importance[2, 350:], importance[3, :], importance[4, ::7] = 0, 0, 0
    ends, outputs = importance.cumsum(1), torch.arange(n_out, dtype=torch.float64).expand(6, -1).contiguous()
    first = torch.searchsorted(ends, outputs, right=True).clamp_max_(n_frames - 1)
    last = torch.searchsorted(ends, torch.minimum(outputs + 1, ends[:, -1:])).clamp_max_(n_frames - 1)
    cuts = kernels.segments(importance.to(noise(torch.float32).device), n_out)
    torch.testing.assert_close(cuts.first.cpu(), first.int(), rtol=0, atol=0)
    torch.testing.assert_close(cuts.last.cpu(), last.int(), rtol=0, atol=0)


@pytest.mark.skipif(INTERPRETED, reason="the door is tested outside of the interpreter")
@pytest.mark.parametrize("what", ["too old", "missing"])
def test_without_a_triton_that_serves_it_is_the_pytorch_path(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if what == "missing":
        monkeypatch.setitem(sys.modules, "triton", None)
    else:
        monkeypatch.setattr(pytest.importorskip("triton"), "__version__", "3.2.0")
    monkeypatch.delitem(sys.modules, "tenuto.frontend._warp_triton", raising=False)
    monkeypatch.delattr("tenuto.frontend._warp_triton", raising=False)
    door._triton.cache_clear()
    try:
        assert door._triton() is None
    finally:
        door._triton.cache_clear()
