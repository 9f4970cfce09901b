"""Time-domain filterbanks: their start, limits, trials."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from oracles import leaf as oracle
from tenuto import TimeDomainFilterbank, UsageError
from tenuto.frontend.impulse_responses import GaborStart, mel_start
from tolerances import assert_close
from trials import TRIALS, Outcome, Subject


def test_it_starts_as_scaled_gabor_filters_under_a_squared_hann_window() -> None:
    waveform = torch.randn(1, 1200, dtype=torch.float64)
    bank = TimeDomainFilterbank(6).double()
    hann = 0.5 - 0.5 * np.cos(2 * math.pi * np.arange(401) / 400)
    center, sigma = oracle.published_gabors(6)[3]
    filtered = oracle.correlate(waveform[0].numpy(), oracle.gabor(center, sigma, 401))
    expected = torch.from_numpy(oracle.pool(np.abs(filtered) ** 2, hann**2, 160))
    ratio = bank(waveform)[0, 3] / expected
    assert_close(ratio, ratio[:1].expand_as(ratio), "starts in float32")


@pytest.mark.parametrize("start", ["published", "analytic"])
def test_a_filter_has_the_energy_of_its_mel_triangle(start: GaborStart) -> None:
    """Sum of |h|^2 = 1 / (2 pi) times the area, in radians, of the mel triangle: Parseval, and section 2.2."""
    taps = torch.view_as_complex(TimeDomainFilterbank(40, window_length=1001, start=start).taps.detach())
    areas = mel_start(40, 16000, 60.0, 7800.0, start)[2]
    assert_close(taps.abs().square().sum(1), areas, "starts in float32")


def test_parameters_are_as_many_as_the_paper_counts() -> None:
    assert sum(p.numel() for p in TimeDomainFilterbank(64).parameters()) == 51_328


@pytest.mark.parametrize("hop_length", [16, 400])
def test_any_hop(hop_length: int) -> None:
    bank = TimeDomainFilterbank(8, hop_length=hop_length)
    assert bank(torch.randn(2, 3000)).shape == (2, 8, -(-3000 // hop_length))


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"f_max": 9000.0}, "half the sample rate"), ({"window_length": 2}, "at least 3"), ({"hop_length": 0}, "is 0")],
)
def test_refusals(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TimeDomainFilterbank(**settings)


SUBJECT = Subject(
    "TimeDomainFilterbank",
    lambda: TimeDomainFilterbank(6, window_length=41, hop_length=16, start="analytic"),
    lambda n, length: torch.rand(n, length) - 0.5,
    lambda layer, x, lengths: Outcome(
        layer(x, lengths), layer.n_frames(torch.full((len(x),), x.shape[-1]) if lengths is None else lengths)
    ),
    step=16,
)


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.__name__)
def test_trials(trial: Any) -> None:
    trial(SUBJECT)
