"""Fixtures that every test may use: the real recordings, and one seeded source of randomness."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real recordings (esc10, fsdd, philharmonia), named by TENUTO_DATA."""
    root = os.environ.get("TENUTO_DATA")
    if not root:
        pytest.skip("TENUTO_DATA is not set: no real recordings to test on")
    return Path(root)


@pytest.fixture(autouse=True)
def seed() -> None:
    """Every test starts from the same random state."""
    torch.manual_seed(0)


@pytest.fixture
def fresh_graphs() -> Iterator[None]:
    """No graph of an earlier test; what PyTorch's own compiler warns of is not ours to mend."""
    torch.compiler.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    torch.compiler.reset()
