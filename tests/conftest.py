"""Fixtures that every test may use: the real recordings, and one seeded source of randomness."""

from __future__ import annotations

import os
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
