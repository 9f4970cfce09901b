"""Kept frames of a part of a file: every one of their times is the file's own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tenuto.inference.explain import explain
from tenuto.models.classifier import Classifier

Write = Callable[..., Path]


@pytest.mark.parametrize("start_seconds", [0.0, 1.5])
def test_a_kept_frames_centre_lies_in_it(model: Classifier, write: Write, start_seconds: float) -> None:
    rows = explain(model, write("a.wav", 4.0), start_seconds=start_seconds, seconds=1.0).kept_rows()
    assert len(rows) == 25
    assert all(row["start"] <= row["centre"] <= row["end"] for row in rows)
    assert all(one["centre"] < other["centre"] for one, other in pairwise(rows))
    assert start_seconds <= rows[0]["centre"] < rows[-1]["centre"] <= start_seconds + 1
