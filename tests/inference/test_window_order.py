"""Windows are answered in batches of one length, and stand in the order of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from inference.material import RATE_HZ, sound
from tenuto.inference.predict import predict
from tenuto.inference.scoring import score_clips
from tenuto.models.classifier import Classifier

Write = Callable[..., Path]


def test_a_rest_that_is_answered_first_stands_last(model: Classifier, write: Write) -> None:
    """The rest of b fills a batch with a, both of half a second; the second before it waits until the end."""
    files = [write("a.wav", 0.5), write("b.wav", 1.5, seed=1)]
    _, found = predict(model, files, window_seconds=1.0, batch_size=2).files
    assert found.starts.tolist() == [0.0, 1.0]
    assert found.ends.tolist() == [1.0, 1.5]
    heard = torch.from_numpy(sound(1.5, seed=1))
    for part, scores in zip(heard.split(RATE_HZ), found.scores, strict=True):
        np.testing.assert_allclose(scores, score_clips(model, [part])[0], rtol=0, atol=1e-5)
