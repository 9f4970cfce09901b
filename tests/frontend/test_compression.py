"""Logarithms fixed and learned, layer norm over bands: values, gates, gradients."""

from __future__ import annotations

import math

import pytest
import torch

from tenuto import LogCompression, UsageError
from tenuto.frontend.compression import LayerNorm
from tolerances import assert_close


@pytest.mark.parametrize(
    ("compression", "alpha", "beta"),
    [
        (LogCompression(), 1.0, 1.19e-7),
        (LogCompression(10000, 1), 10000.0, 1.0),
        (LogCompression(alpha=2), 2.0, 1.19e-7),
    ],
)
def test_fixed_is_the_formula(compression: LogCompression, alpha: float, beta: float) -> None:
    energies = torch.tensor([0.0, 1e-7, 1e-4, 1.0, 123.0]).reshape(1, 5, 1)
    expected = [math.log(alpha * x + beta) for x in energies.flatten().tolist()]
    assert_close(compression(energies).flatten(), torch.tensor(expected), "float32")
    assert not list(compression.parameters())


def test_learnable_starts_at_the_posts_values() -> None:
    compression = LogCompression(learnable=True)
    assert compression.alpha.item() == pytest.approx(1096.63, abs=0.005)
    assert compression.beta.item() == pytest.approx(1.31, abs=0.005)
    assert sorted(p.item() for p in compression.parameters()) == [1.0, 7.0]  # before the gates


def test_learnable_learns_behind_its_gates() -> None:
    compression, energies = LogCompression(learnable=True).double(), torch.rand(2, 3, 4, dtype=torch.float64)
    compression(energies).sum().backward()
    alpha, beta = math.exp(7), math.log1p(math.exp(1))
    inner = 1 / (alpha * energies + beta)
    gradients = {p.item(): p.grad for p in compression.parameters()}
    assert_close(gradients[7.0], (inner * energies).sum() * alpha, "float64")  # d alpha / d a = alpha
    assert_close(gradients[1.0], inner.sum() / (1 + math.exp(-1)), "float64")  # d beta / d b = sigmoid(b)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1e-3), (10000.0, 1.0), (1.0, 1.19e-7), (3.0, 50.0)])
def test_learnable_may_start_elsewhere(alpha: float, beta: float) -> None:
    compression = LogCompression(alpha, beta, learnable=True)
    assert compression.alpha.item() == pytest.approx(alpha, rel=1e-5)
    assert compression.beta.item() == pytest.approx(beta, rel=1e-5)


def test_gates_keep_alpha_and_beta_positive() -> None:
    compression = LogCompression(learnable=True)
    with torch.no_grad():
        for parameter in compression.parameters():
            parameter.fill_(-20)
    assert compression.alpha > 0
    assert compression.beta > 0
    assert torch.isfinite(compression(torch.zeros(1, 2, 3))).all()


@pytest.mark.parametrize(
    "settings", [{"alpha": 0.0}, {"alpha": -1.0}, {"beta": 0.0}, {"beta": math.nan}, {"beta": math.inf}]
)
def test_what_has_no_logarithm_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="wanted a positive number"):
        LogCompression(**settings)


def test_layer_norm_is_over_the_bands_of_each_frame() -> None:
    energies = torch.rand(2, 16, 5)
    out = LayerNorm(16)(energies)
    centred = energies - energies.mean(1, keepdim=True)
    expected = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
    assert_close(out, expected, "float32")


def test_both_act_within_a_frame() -> None:
    for compression in (LogCompression(), LogCompression(learnable=True), LayerNorm(16)):
        assert compression.along_time is False
        energies = torch.rand(2, 16, 5)
        apart = torch.cat([compression(energies[..., i : i + 1]) for i in range(5)], dim=-1)
        assert_close(compression(energies), apart, "float32")
