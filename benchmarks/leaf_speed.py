"""What LEAF costs, in log-mels: forward, and forward with backward, PCEN included; and how near it is to itself.

    python benchmarks/leaf_speed.py [--rounds 9] [--threads 2] [--recordings 9] [--no-direct]

The unit is the forward of a plain log-mel (torch.stft of 512 samples, 25 ms Hann, 10 ms hop, power, 128 bands, log) on
the same clip, in the same round. Error: norm of the difference to the direct form over its norm, in the worst
band, before compression, for recordings named by TENUTO_DATA (their loudest are as a rule the nearest), in float64.
"floor": its transforms and matrix products alone, on numbers that lie ready, which no better arrangement saves.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import interleaved
import torch
from torch import Tensor

from tenuto import PCEN, Leaf
from tenuto.frontend import _leaf_bands, _leaf_pairs
from tenuto.frontend._leaf_rates import ways_and_rates
from tenuto.frontend._products import product, rough_products
from tenuto.frontend.mel import mel_matrix

SECONDS, RATE_HZ = 10, 16000
AT_MOST = 1e-3


def log_mel() -> Callable[[Tensor], Tensor]:
    window, matrix = torch.hann_window(400), mel_matrix(128, 512, RATE_HZ)

    def forward(waveforms: Tensor) -> Tensor:
        spectrum = torch.stft(waveforms, 512, 160, 400, window, return_complex=True)
        return torch.log(matrix @ (spectrum.real.square() + spectrum.imag.square()) + 1.19e-7)

    return forward


def candidates(n_filters: int, waveforms: Tensor, with_direct: bool) -> dict[str, interleaved.Call]:
    """Calls by name; the direct form only where asked for, since it takes seconds."""
    calls: dict[str, interleaved.Call] = {"log-mel": no_gradient(log_mel(), waveforms)}
    for method in ("fft", "direct") if with_direct else ("fft",):
        layer = torch.nn.Sequential(Leaf(n_filters, method=method), PCEN(n_filters))
        calls[f"{method} forward"] = no_gradient(layer, waveforms)
        calls[f"{method} both"] = with_gradient(layer, waveforms)
    if n_filters == 128:
        calls |= floors(n_filters, len(waveforms))
    pcen, energies = PCEN(n_filters), torch.rand(len(waveforms), n_filters, SECONDS * 100)
    return calls | {"PCEN forward": no_gradient(pcen, energies)}


def floors(n_filters: int, batch: int) -> dict[str, interleaved.Call]:
    """Forward: a transform a band and the products of pairs; both: twice the transforms, the heard products again."""
    layer, hop, n_frames = Leaf(n_filters), 160, SECONDS * 100
    window = layer.window_length
    bank, _ = layer._filters(*layer.constrained(), torch.float32)
    ways, rates = ways_and_rates(bank, hop)
    segments = _leaf_bands._tail_and_grid(hop, window, n_frames)[1].segments
    bands = [
        torch.randn(
            sum(rate.samples == samples for rate in rates),
            batch * segments.n_segments,
            segments.n_hops * samples,
            dtype=torch.complex64,
        )
        for samples in sorted({rate.samples for rate in rates})
    ]
    size = _leaf_pairs.segment_length(window)
    fades = [rate.fade for rate in rates[: len(ways.long)]]
    heard, others = (which.n_pairs for which in _leaf_pairs._which_pairs(bank, ways.long, fades, size))
    kind = torch.bfloat16 if rough_products(torch.zeros(1, 1)) else torch.float32
    rows = [torch.randn(batch * n_frames, n).to(k) for n, k in ((heard, torch.float32), (others, kind))]
    weights = [torch.randn(len(ways.long), each.shape[1]).to(each.dtype) for each in rows]
    gradient = torch.randn(len(ways.long), batch * n_frames)

    def forward() -> None:
        for band in bands:
            torch.fft.ifft(band)
        for left, right in zip(rows, weights, strict=True):
            product(left, right)

    def both() -> None:
        forward()
        for band in bands:
            torch.fft.fft(band)
        product(gradient, rows[0].T)

    return {"floor forward": forward, "floor both": both}


def no_gradient(layer: Callable[[Tensor], Tensor], batch: Tensor) -> interleaved.Call:
    def call() -> None:
        with torch.no_grad():
            layer(batch)

    return call


def with_gradient(layer: torch.nn.Module, batch: Tensor) -> interleaved.Call:
    def call() -> None:
        layer.zero_grad()
        layer(batch).mean().backward()

    return call


def recordings(n: int) -> list[Tensor]:
    """About n clips (1, samples) of up to 5 seconds, of the sets under TENUTO_DATA; none where that is not set."""
    from tenuto.data.audio import read

    root = os.environ.get("TENUTO_DATA")
    if not root:
        return []
    clips = []
    for pattern in ("esc10/audio/*.ogg", "fsdd/recordings/*.wav", "philharmonia/*/*.mp3"):
        paths = sorted(Path(root).glob(pattern))
        clips += [read(path, RATE_HZ, seconds=5.0) for path in paths[:: 3 * len(paths) // n + 1]]
    return [torch.as_tensor(clip)[None] for clip in clips]


def high_noise() -> Tensor:
    """Noise of 5 to 5.6 kHz and nothing else (1, samples): low bands hear but side lobes, hardest for the fast form."""
    noise = torch.fft.rfft(torch.randn(5 * RATE_HZ, generator=torch.Generator().manual_seed(0)))
    hz = torch.fft.rfftfreq(5 * RATE_HZ, 1 / RATE_HZ)
    return torch.fft.irfft(noise * ((hz > 5000) & (hz < 5600)))[None]


def worst_errors(n_filters: int, clips: list[Tensor]) -> list[float]:
    """Of each clip, in its worst band."""
    direct, fast = Leaf(n_filters, method="direct").double(), Leaf(n_filters)
    worst = []
    with torch.no_grad():
        for clip in clips:
            expected = direct(clip.double())
            difference = (fast(clip) - expected).norm(dim=-1)
            worst.append(float(torch.where(difference > 0, difference / expected.norm(dim=-1), 0).max()))
    return worst


def in_words(errors: list[float]) -> str:
    return f"{max(errors):.2e} ({len(errors)} clips, {sum(error > AT_MOST for error in errors)} above {AT_MOST:g})"


def main() -> None:
    more = argparse.ArgumentParser(add_help=False)
    more.add_argument("--recordings", type=int, default=9, help="of which the worst band's error is told")
    more.add_argument("--no-direct", action="store_true", help="leave out the time of the direct form, which is long")
    options = interleaved.arguments("What LEAF costs, in log-mels", rounds=9, more=more)
    clips, rows = recordings(options.recordings), []
    for n_filters in (40, 128):
        for batch in (1, 8):
            waveforms = 0.1 * torch.randn(batch, SECONDS * RATE_HZ)
            calls = candidates(n_filters, waveforms, with_direct=batch == 1 and not options.no_direct)
            seconds = interleaved.seconds_by_round(calls, options.rounds, options.clock)
            error = in_words(worst_errors(n_filters, clips)) if clips and batch == 1 else ""
            for name in list(calls)[1:]:
                ratio = interleaved.spread(interleaved.ratios(seconds, name, "log-mel"))
                near = error if name.startswith("fft") else ""
                rows.append([str(n_filters), str(batch), name, ratio, near])
    print(f"{interleaved.machine()}; {SECONDS} s clips at {RATE_HZ} Hz, {options.rounds} rounds\n")
    print(interleaved.table(["filters", "batch", "what", "log-mels [smallest largest]", "worst band's error"], rows))
    hardest = [f"{max(worst_errors(n_filters, [high_noise()])):.2e} of {n_filters}" for n_filters in (40, 128)]
    print(f"\nof noise of 5 to 5.6 kHz and nothing else, in the worst band: {', '.join(hardest)}")


if __name__ == "__main__":
    main()
