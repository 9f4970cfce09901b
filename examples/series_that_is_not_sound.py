"""DiffRes on a series that is not sound: how often someone tapped an accelerometer, in a mostly quiet recording.

    python examples/series_that_is_not_sound.py [STEPS]

Three channels of acceleration and three of rotation at 50 Hz, 6 s, with one, two or three taps close together. The
layer keeps a fifth of the steps and learns on which to spend them. Prints the accuracy and, for one recording, what
was kept.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn

import tenuto

RATE_HZ, N_STEPS, N_CHANNELS = 50, 300, 6
GESTURES = ("one tap", "two taps", "three taps")
TAP = torch.tensor([1.0, -1.0, 0.5, -0.5, 0.4, -0.4, 0.3, -0.3, 0.3, -0.3])
REDUCTION, GUIDE_WEIGHT = 0.8, 5.0
TAP_STEPS, GESTURE_STEPS = 15, 40  # from one tap to the next, of all three


class Taps(nn.Module):
    """Series (batch, channel, step) -> logits (batch, gesture).

    DiffRes warps energies. Here they are the power of each channel and of its change from step to step, as a
    filterbank's of sound; their logarithm is what the layer is called on. Steps under `epsilon` count as empty.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layer = tenuto.DiffRes(n_bands=2 * N_CHANNELS, reduction=REDUCTION, epsilon=1e-2)
        n_in = 3 * 2 * N_CHANNELS
        self.network = nn.Sequential(nn.BatchNorm1d(n_in), nn.Conv1d(n_in, 32, 5, padding=2), nn.ReLU())
        self.classes = nn.Linear(32, len(GESTURES))

    def forward(self, series: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """-> logits (batch, gesture), guide loss (), importance (batch, step)"""
        change = series.diff(dim=2, prepend=series[..., :1])
        fewer = self.layer(torch.log(torch.cat([series, change], dim=1).square() + 1e-4))
        logits = self.classes(self.network(fewer.features.flatten(1, 2)).amax(2))
        return logits, fewer.guide_loss, fewer.importance


def recordings(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """-> series (n, channel, step), gesture (n,), step at which it begins (n,)"""
    gestures, starts = torch.randint(len(GESTURES), (n,)), torch.randint(N_STEPS - GESTURE_STEPS, (n,))
    series = 0.05 * torch.randn(n, N_CHANNELS, N_STEPS)
    for one, gesture, start in zip(series, gestures.tolist(), starts.tolist(), strict=True):
        for i in range(gesture + 1):
            tap = start + TAP_STEPS * i
            one[:, tap : tap + len(TAP)] += torch.randn(N_CHANNELS, 1) * TAP
    return series, gestures, starts


def main(n_steps: int = 300) -> tuple[float, float]:
    """Trains; -> share of new recordings recognised, share of the importance that lies on their gestures."""
    torch.manual_seed(0)
    model = Taps()
    others = [*model.network.parameters(), *model.classes.parameters()]
    layer = {"params": model.layer.parameters(), "lr": 1e-2}  # it starts as average pooling, and should not stay it
    optimizer = torch.optim.Adam([layer, {"params": others}], lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    for step in range(n_steps):
        series, gestures, _ = recordings(64)
        logits, guide_loss, _ = model.train()(series)
        loss = nn.functional.cross_entropy(logits, gestures) + GUIDE_WEIGHT * guide_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.3f}")
    series, gestures, starts = recordings(200)
    with torch.no_grad():
        logits, _, importance = model.eval()(series)
    accuracy = (logits.argmax(1) == gestures).float().mean().item()
    step_index = torch.arange(N_STEPS)
    on_gesture = (step_index >= starts[:, None]) & (step_index < starts[:, None] + GESTURE_STEPS)
    share = ((importance * on_gesture).sum() / importance.sum()).item()
    print(f"recognised: {accuracy:.0%} of 200 new recordings, from {model.layer.kept(N_STEPS)} of {N_STEPS} steps")
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
