"""Asked again with the same journal: a file that broke off in the middle is not taken for a whole one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from inference.material import RATE_HZ, sound
from tenuto.inference.predict import predict
from tenuto.models.classifier import Classifier

Write = Callable[..., Path]


def test_what_broke_off_is_said_again(model: Classifier, write: Write, tmp_path: Path) -> None:
    whole, broken, journal = write("whole.wav"), tmp_path / "broken.wav", tmp_path / "journal"
    samples = sound(20.0)
    samples[19 * RATE_HZ] = np.nan
    soundfile.write(broken, samples, RATE_HZ, subtype="FLOAT")
    first, again = (predict(model, [whole, broken], window_seconds=2.0, journal=journal) for _ in range(2))
    assert [Path(item.file).name for item in first.left_out] == ["broken.wav"]
    assert "NaN" in first.left_out[0].reason
    assert first.left_out[0].reason.endswith("windows before it are answered")
    assert again.left_out == first.left_out
    for one, other in zip(first.files, again.files, strict=True):
        np.testing.assert_array_equal(other.starts, one.starts)
        np.testing.assert_allclose(other.scores, one.scores, rtol=0, atol=1e-5)
    assert len(list(journal.iterdir())) == 1  # the whole file's
