"""The layer in someone else's model: a plain network on log-mels that reads a quarter of the frames.

    python examples/layer_in_your_model.py [STEPS]

Learns to tell rising from falling tones in noise, in clips that are silent for most of their length; prints how
many it tells apart, and how much of the importance lies where the tone is.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn

import tenuto

RATE_HZ, SECONDS, TONE_SECONDS = 16000, 2.0, 0.3


class YourModel(nn.Module):
    """Log-mel, then any network that takes images: all that is new is `layer`, and its three channels."""

    def __init__(self) -> None:
        super().__init__()
        self.mel = tenuto.MelSpectrogram(sample_rate=RATE_HZ, n_mels=64)
        self.layer = tenuto.DiffRes(n_bands=64, reduction=0.75)
        self.network = nn.Sequential(
            nn.BatchNorm2d(3), nn.Conv2d(3, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 32, 5, 2, 2), nn.ReLU()
        )
        self.classes = nn.Linear(32, 2)

    def forward(self, waveforms: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """waveforms (batch, samples) -> logits (batch, 2), guide loss (), importance (batch, frame)"""
        log_mel = torch.log(self.mel(waveforms) + 1e-7)
        fewer = self.layer(log_mel)  # .features (batch, 3, band, kept)
        logits = self.classes(self.network(fewer.features).amax((2, 3)))
        return logits, fewer.guide_loss, fewer.importance


def clips(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """-> waveforms (n, samples), class (n,): 1 where the tone rises, first sample of the tone (n,)"""
    n_samples, n_tone = int(SECONDS * RATE_HZ), int(TONE_SECONDS * RATE_HZ)
    classes, starts = torch.randint(2, (n,)), torch.randint(n_samples - n_tone, (n,))
    time = torch.arange(n_tone) / RATE_HZ
    rising = torch.sin(2 * torch.pi * (500 + 2000 * time) * time)
    waveforms = 1e-4 * torch.randn(n, n_samples)
    for waveform, is_rising, start in zip(waveforms, classes.tolist(), starts.tolist(), strict=True):
        waveform[start : start + n_tone] += 0.3 * (rising if is_rising else rising.flip(0))
    return waveforms, classes, starts


def main(n_steps: int = 60) -> tuple[float, float]:
    """Trains; -> share of new clips told apart, share of the importance that lies on their tones."""
    torch.manual_seed(0)
    model = YourModel()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(n_steps):
        waveforms, classes, _ = clips(16)
        logits, guide_loss, _ = model.train()(waveforms)
        loss = nn.functional.cross_entropy(logits, classes) + guide_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            print(f"step {step}: loss {loss.item():.3f}")
    waveforms, classes, starts = clips(64)
    with torch.no_grad():
        logits, _, importance = model.eval()(waveforms)
    told_apart = (logits.argmax(1) == classes).float().mean().item()
    sample = torch.arange(importance.shape[1]) * model.mel.hop_length
    on_tone = (sample >= starts[:, None]) & (sample < starts[:, None] + TONE_SECONDS * RATE_HZ)
    share = ((importance * on_tone).sum() / importance.sum()).item()
    print(f"told apart: {told_apart:.0%} of 64 new clips")
    print(f"importance on the tone, {TONE_SECONDS / SECONDS:.0%} of the time: {share:.0%}")
    return told_apart, share


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
