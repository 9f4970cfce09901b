"""What a hop of 1 ms costs: a log-mel against one at 10 ms, and the whole front end with DiffRes behind it.

    python benchmarks/small_hops.py [--rounds 9] [--threads 2] [--cpu-time] [--keep-pages]

Clips of 10 s at 16 kHz, batch 8, evaluation. Wanted: ten times the frames for at most 11 times the time, and never
the whole complex spectrogram in memory (its size is beside the peak). "Plain" is torch.stft of the whole batch. The
whole front end: waveform to features at 1 ms, 90 % of the frames saved, which leaves 100 a second.

Memory is the largest sum of PyTorch's live allocations during a call, beside the input; and, in a process of its
own, the rise of resident memory. What of it is the result is said beside it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

import torch
from interleaved import Call, arguments, machine, middle, ratios, seconds_by_round, spread, table
from torch import Tensor
from warp_linear import MIB, peak_allocated, resident_rise

from tenuto.frontend.compression import LogCompression
from tenuto.frontend.diffres import DiffRes
from tenuto.frontend.filterbanks import MelSpectrogram
from tenuto.frontend.frontend import Frontend

SAMPLE_RATE, N_SECONDS, BATCH, N_BANDS = 16000, 10, 8, 128
COARSE, FINE = 160, 16  # hops of 10 and 1 ms, in samples
REDUCTION, AT_MOST = 0.9, 11


def plain_log_mel(mel: MelSpectrogram, waveforms: Tensor) -> Tensor:
    """As most do it: the complex spectrogram of the whole batch, then filters, then the logarithm."""
    window, frames = mel.window, mel.n_frames(waveforms.shape[1])
    spectrum = torch.stft(waveforms, mel.n_fft, mel.hop_length, window=window, pad_mode="constant", return_complex=True)
    power = spectrum.abs().square()[..., :frames]
    return torch.log((power.mT @ mel.filters).mT + 1.19e-7)


def make_calls() -> dict[str, Call]:
    """Log-mels at both hops, the plain one at the fine hop, and the whole front end."""
    torch.manual_seed(0)
    waveforms = torch.randn(BATCH, N_SECONDS * SAMPLE_RATE) * 0.1
    coarse, fine = (MelSpectrogram(SAMPLE_RATE, hop_length=hop, n_mels=N_BANDS).eval() for hop in (COARSE, FINE))
    logs = [Frontend(mel).eval() for mel in (coarse, fine)]
    whole = Frontend(fine, DiffRes(N_BANDS, REDUCTION), LogCompression()).eval()
    calls = {
        "log-mel, 10 ms": lambda: logs[0](waveforms).features,
        "log-mel, 1 ms": lambda: logs[1](waveforms).features,
        "plain log-mel, 1 ms": lambda: plain_log_mel(fine, waveforms),
        "whole front end, 1 ms": lambda: whole(waveforms).features,
    }
    return {name: torch.inference_mode()(call) for name, call in calls.items()}


def measured_memory(name: str) -> dict[str, int]:
    """allocated, resident and of them the result, in bytes, in a process of its own."""
    command = [sys.executable, __file__, "--memory-of", name]
    memory: dict[str, int] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return memory


def print_memory(name: str) -> None:
    """As JSON; resident first, since the profiler has memory of its own."""
    calls = make_calls()
    calls["log-mel, 10 ms"]()  # what the first call of all loads is not the front end's
    resident = resident_rise(calls[name])
    allocated, result = peak_allocated(calls[name]), calls[name]()
    assert isinstance(result, Tensor)
    print(json.dumps({"resident": resident or 0, "allocated": allocated, "result": result.nbytes}))


def main() -> None:
    if "--memory-of" in sys.argv:
        print_memory(sys.argv[2])
        return
    options = arguments(__doc__ or "", rounds=9)
    calls = make_calls()
    seconds = seconds_by_round(calls, options.rounds, options.clock)
    spectrogram = BATCH * (N_SECONDS * SAMPLE_RATE // FINE) * (512 // 2 + 1) * 8 / MIB
    print(
        f"{machine()}; {N_SECONDS} s clips, batch {BATCH}, {N_BANDS} bands; complex spectrogram {spectrogram:.0f} MiB\n"
    )
    rows = []
    for name in calls:
        memory = {kind: f"{value / MIB:.0f}" for kind, value in measured_memory(name).items()}
        ratio = ratios(seconds, name, "log-mel, 10 ms")
        verdict = ("yes" if statistics.median(ratio) <= AT_MOST else "no") if name == "log-mel, 1 ms" else ""
        times = [middle(seconds[name]), spread(ratio), verdict]
        rows.append([name, *times, memory["allocated"], memory["resident"], memory["result"]])
    header = ["", "ms", "of the log-mel at 10 ms", f"at most {AT_MOST}"]
    print(table([*header, "MiB allocated", "MiB resident", "of that the result"], rows))


if __name__ == "__main__":
    main()
