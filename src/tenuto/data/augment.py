"""Mixup of waveforms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from tenuto.data.batch import Batch


def mixup(
    batch: Batch, alpha: float = 10.0, probability: float = 0.5, generator: torch.Generator | None = None
) -> Batch:
    """Mixes each clip, with `probability`, with another of the batch: x = lam x + (1 - lam) x', targets alike.

    lam is drawn from Beta(alpha, alpha) for each clip (PSLA, arXiv 2102.01243, section III-D, with alpha 10). A mixed
    clip is as long as the longer of the two. The batch that came in is left as it was.

    Args:
        generator: of the CPU; None: torch's own.
    """
    n_clips = len(batch)
    draws = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    chosen = draws.random(n_clips) < probability
    shares = torch.from_numpy(np.where(chosen, draws.beta(alpha, alpha, n_clips), 1.0)).float()
    partners = torch.from_numpy(np.where(chosen, draws.permutation(n_clips), np.arange(n_clips)))
    device = batch.waveforms.device
    shares, partners = shares.to(device)[:, None], partners.to(device)  # (batch, 1), (batch,)
    return replace(
        batch,
        waveforms=shares * batch.waveforms + (1 - shares) * batch.waveforms[partners],
        targets=shares * batch.targets + (1 - shares) * batch.targets[partners],
        lengths=torch.maximum(batch.lengths, batch.lengths[partners]),
    )
