"""DiffRes on a series that is not sound: which of three gestures an accelerometer felt, in a long quiet recording.

    python examples/series_that_is_not_sound.py [STEPS]

Six channels (three of acceleration, three of rotation) at 50 Hz, 12 s; a gesture takes under a second, and one
that means nothing (a bump) happens too. The layer keeps a tenth of the steps and learns on which to spend them.
Prints the accuracy and, for one recording, what was kept.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn

import tenuto

RATE_HZ, N_STEPS, N_CHANNELS, N_BANDS = 50, 600, 6, 24
GESTURES = ("shake", "twist", "lift")
GESTURE_STEPS = 40


class Gestures(nn.Module):
    """Series (batch, channel, step) -> logits (batch, gesture).

    DiffRes warps energies. A series becomes some by a bank of learned filters, squared: the power in each, as a
    filterbank's of sound. Their logarithm is what the layer is called on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Conv1d(N_CHANNELS, N_BANDS, 15, padding=7)
        self.layer = tenuto.DiffRes(n_bands=N_BANDS, reduction=0.9)
        n_in = 3 * N_BANDS
        self.network = nn.Sequential(nn.BatchNorm1d(n_in), nn.Conv1d(n_in, 32, 5, padding=2), nn.ReLU())
        self.classes = nn.Linear(32, len(GESTURES))

    def forward(self, series: Tensor) -> tuple[Tensor, Tensor]:
        """-> logits (batch, gesture), importance (batch, step)"""
        log_power = torch.log(self.filters(series).square() + 1e-4)
        fewer = self.layer(log_power)
        return self.classes(self.network(fewer.features.flatten(1, 2)).amax(2)), fewer.importance


def recordings(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """-> series (n, channel, step), gesture (n,), step at which it begins (n,)"""
    gestures, starts = torch.randint(len(GESTURES), (n,)), torch.randint(N_STEPS - GESTURE_STEPS, (n,))
    bumps = torch.randint(N_STEPS - 5, (n,))
    t = torch.arange(GESTURE_STEPS) / RATE_HZ
    bell = torch.hann_window(GESTURE_STEPS, periodic=False)
    series = 0.05 * torch.randn(n, N_CHANNELS, N_STEPS)
    for one, gesture, start, bump in zip(series, gestures.tolist(), starts.tolist(), bumps.tolist(), strict=True):
        axis = int(torch.randint(3, ()))
        one[axis, bump : bump + 5] += 2 * torch.randn(5)
        here = one[:, start : start + GESTURE_STEPS]
        if gesture == 0:  # back and forth along one axis, six times a second
            here[axis] += 1.5 * bell * torch.sin(2 * torch.pi * 6 * t)
        elif gesture == 1:  # rotation one way and back
            here[3 + axis] += 1.5 * bell * torch.sin(2 * torch.pi * 1.5 * t)
        else:  # upwards, slowly
            here[2] += 1.5 * bell
    return series, gestures, starts


def main(n_steps: int = 150) -> tuple[float, float]:
    """Trains; -> share of new recordings recognised, share of the importance that lies on their gestures."""
    torch.manual_seed(0)
    model = Gestures()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(n_steps):
        series, gestures, _ = recordings(32)
        logits, _ = model.train()(series)
        loss = nn.functional.cross_entropy(logits, gestures)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.3f}")
    series, gestures, starts = recordings(200)
    with torch.no_grad():
        logits, importance = model.eval()(series)
    accuracy = (logits.argmax(1) == gestures).float().mean().item()
    step_index = torch.arange(N_STEPS)
    on_gesture = (step_index >= starts[:, None]) & (step_index < starts[:, None] + GESTURE_STEPS)
    share = ((importance * on_gesture).sum() / importance.sum()).item()
    print(f"recognised: {accuracy:.0%} of 200 new recordings, from {N_STEPS // 10} of {N_STEPS} steps")
    print(f"importance on the gesture, {GESTURE_STEPS / N_STEPS:.0%} of the time: {share:.0%}")
    _show(importance[0], GESTURES[int(gestures[0])], int(starts[0]))
    return accuracy, share


def _show(importance: Tensor, gesture: str, start: int, n_columns: int = 60) -> None:
    """One line of text: how many of its steps each 1/60 of the recording keeps, from none (.) to all (#)."""
    shares = importance.view(n_columns, -1).mean(1)
    print(
        f"{gesture} at {start / RATE_HZ:.1f} to {(start + GESTURE_STEPS) / RATE_HZ:.1f} s of {N_STEPS / RATE_HZ:g} s:"
    )
    print("".join(".:-=+*#"[min(6, int(7 * share))] for share in shares.tolist()))
    print("".join("^" if start <= i * N_STEPS / n_columns < start + GESTURE_STEPS else " " for i in range(n_columns)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
