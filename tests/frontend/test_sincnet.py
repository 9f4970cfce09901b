"""SincNet and SincNet+: the published functions, limits, trials."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from oracles import leaf as oracle
from tenuto import SincNet, UsageError
from tolerances import assert_close
from trials import TRIALS, Outcome, Subject


@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize("n_samples", [700, 1600])
def test_it_is_the_published_function(plus: bool, n_samples: int) -> None:
    waveform = torch.randn(1, n_samples, dtype=torch.float64) * 0.1
    expected = torch.from_numpy(oracle.sincnet(waveform[0].numpy(), 10, plus))
    bank = SincNet(10, plus=plus).double()
    assert_close(bank(waveform)[0], expected, "starts in float32")


def test_parameters_are_as_many_as_the_paper_counts() -> None:
    assert sum(p.numel() for p in SincNet(128).parameters()) == 256
    assert sum(p.numel() for p in SincNet(128, plus=True).parameters()) == 384


def test_a_tone_is_loudest_in_its_band() -> None:
    bank = SincNet(40)
    low, high = bank.bands_hz()
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(8000) / 16000)[None]
    band = int(bank(tone)[0, :, 25].argmax())
    assert low[band] - 50 < 1000 < high[band] + 50


@pytest.mark.parametrize("hop_length", [16, 80, 400])
def test_any_hop(hop_length: int) -> None:
    assert SincNet(8, hop_length=hop_length)(torch.randn(2, 3000)).shape == (2, 8, -(-3000 // hop_length))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window_length": 400}, "wanted an odd number, 401 say"),
        ({"sample_rate": 200}, "room for a band"),
        ({"hop_length": 0}, "hop_length is 0"),
        ({"n_filters": 0}, "at least one"),
    ],
)
def test_refusals(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SincNet(**settings)


def subject(plus: bool) -> Subject:
    return Subject(
        f"SincNet plus={plus}",
        lambda: SincNet(6, window_length=41, hop_length=16, plus=plus),
        lambda n, length: torch.rand(n, length) - 0.5,
        lambda layer, x, lengths: Outcome(
            layer(x, lengths), layer.n_frames(torch.full((len(x),), x.shape[-1]) if lengths is None else lengths)
        ),
        step=16,
        smooth=False,  # a maximum, a corner at zero, a floor
    )


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.__name__)
@pytest.mark.parametrize("plus", [False, True])
def test_trials(plus: bool, trial: Any) -> None:
    trial(subject(plus))
