"""Impulse responses, the mel points that filters start from, and bounds that let gradients back in."""

from __future__ import annotations

import pytest
import torch

from oracles import leaf as oracle
from tenuto import UsageError
from tenuto.frontend.impulse_responses import gabor, gaussian_lowpass, mel_start, project, squared_hann
from tolerances import assert_close


def test_responses_are_the_definitions() -> None:
    for size in (40, 41):
        filters = gabor(torch.tensor([0.3, 2.0]).double(), torch.tensor([4.0, 11.0]).double(), size)
        expected = torch.from_numpy(oracle.gabor(2.0, 11.0, size))
        assert_close(torch.view_as_real(filters[1]), torch.view_as_real(expected), "float64")
        windows = gaussian_lowpass(torch.tensor([0.4], dtype=torch.float64), size)
        assert_close(windows[0], torch.from_numpy(oracle.gaussian_window(0.4, size)), "float64")
    assert_close(squared_hann(5), torch.tensor([0, 0.25, 1, 0.25, 0]).double(), "float64")


@pytest.mark.parametrize("n_filters", [1, 40, 64, 128])
def test_the_published_start_is_read_off_bins(n_filters: int) -> None:
    centers, sigmas, _ = mel_start(n_filters, 16000, 60.0, 7800.0, "published")
    assert_close(torch.stack([centers, sigmas], 1), torch.from_numpy(oracle.published_gabors(n_filters)), "float64")


def test_the_analytic_start_tells_filters_apart() -> None:
    published = mel_start(128, 16000, 60.0, 7800.0, "published")[0]
    analytic = mel_start(128, 16000, 60.0, 7800.0, "analytic")
    assert (len(published.unique()), len(analytic[0].unique())) == (116, 128)
    assert (published - analytic[0]).abs().max() < torch.pi / 256  # a bin
    wide = slice(100, None)  # triangles of many bins, on whose width and area both starts nearly agree
    for a, b in zip(mel_start(128, 16000, 60.0, 7800.0, "published")[1:], analytic[1:], strict=True):
        assert ((a - b)[wide] / b[wide]).abs().mean() < 0.2


def test_any_rate_and_number_of_filters_has_an_analytic_start() -> None:
    centers, sigmas, areas = mel_start(500, 44100, 30.0, 22050.0, "analytic")
    assert (centers.diff() > 0).all()
    assert (sigmas > 0).all()
    assert (areas > 0).all()
    with pytest.raises(UsageError, match="filters lie between two bins"):
        mel_start(500, 44100, 30.0, 22050.0, "published")


def test_beyond_a_bound_only_the_way_back_is_open() -> None:
    for value, slope, expected in (
        (2.0, 1.0, 1.0),
        (2.0, -1.0, 0.0),
        (-2.0, -1.0, -1.0),
        (-2.0, 1.0, 0.0),
        (0.5, 3.0, 3.0),
    ):
        x = torch.tensor(value, requires_grad=True)
        y = project(x, 0.0, 1.0)
        (slope * y).backward()
        assert y.item() == min(max(value, 0.0), 1.0)
        assert x.grad is not None
        assert x.grad.item() == expected
