"""How close is equal: one table, with the reason for every figure in it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Tolerance(NamedTuple):
    """Largest absolute difference plus largest share of the expected value, and why so much."""

    absolute: float
    relative: float
    reason: str


TOLERANCES = {
    "exact": Tolerance(0.0, 0.0, "the same numbers in the same order"),
    "float64": Tolerance(1e-12, 1e-12, "some thousand roundings of 1e-16"),
    "bisection": Tolerance(1e-9, 1e-9, "exp of a logarithm near 1000 known to 1e-13, bisected until it stands"),
    "float32": Tolerance(1e-5, 1e-5, "some hundred roundings of 6e-8"),
    "padding": Tolerance(1e-5, 1e-5, "what the project promises; convolutions of another length round otherwise"),
    "statistics": Tolerance(1e-9, 1e-9, "float64 sums over other numbers of zeros, squared, divided, rooted"),
    "bfloat16": Tolerance(0.15, 0.05, "8 bits of mantissa through ten convolutions"),
    "mel filters": Tolerance(1e-6, 0.0, "librosa keeps them in float32; they are at most 0.03"),
    "mel energies": Tolerance(1e-9, 1e-4, "float32 FFT against float64; 1e-9 is 1e-5 of an empty frame (energy 1e-4)"),
    "log of float32": Tolerance(1e-4, 0.0, "a relative error of 1e-5 in an energy, ten times over"),
    "starts in float32": Tolerance(1e-6, 2e-6, "float64 layers whose parameters start as float32 numbers"),
    "fast LEAF": Tolerance(1e-3, 1e-3, "what the fast form promises of its energies, and PCEN flattens"),
    "long": Tolerance(1e-5, 1e-5, "100,000 float32 importances: sums kept in float64, results in float32"),
}


def assert_close(actual: Tensor, expected: Tensor, kind: str) -> None:
    """Same shape and, within the table's row `kind`, the same values, all of them finite."""
    tolerance = TOLERANCES[kind]
    assert torch.isfinite(actual).all(), "not finite"
    torch.testing.assert_close(
        actual.to(torch.float64),
        expected.to(torch.float64),
        rtol=tolerance.relative,
        atol=tolerance.absolute,
        msg=lambda text: f"{kind} ({tolerance.reason}): {text}",
    )
