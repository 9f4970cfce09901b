"""DiffRes against the same layer with a dense warp matrix: Eqs. 5, 6 and 9 to 12 (Appendix A.5) of the paper.

    python benchmarks/dense_peer.py [--rounds 7] [--threads 2] [--cpu-time] [--keep-pages] [--release DIR]

The peer builds W (batch, kept, frame) as the appendix does, whole matrices at a time, as fast as that can be made:
each step in place, mean and encoding in one product, the maximum over the one or two entries that a frame has in W.
Importance network, rescaling and logarithms are DiffRes' own. Log-mel of 128 bands, 75 % of the frames saved,
evaluation, forward. Wanted of the whole layer: 20 times faster at 3,000 frames, batch 8; 60 times at 10,000 frames,
batch 1, in a tenth of the memory. The network is in both, so that no warp makes the ratio larger than dense / network.
"Warp alone" is what the two do differently: importance to mean, maximum and encoding.

--release: a checkout of the authors' own layer (github.com/haoheliu/diffres-python; it wants torch_scatter), which
then takes turns with the others.

Memory is the largest sum of PyTorch's live allocations during a call, beside the input; and, in a process of its
own, the rise of resident memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

import torch
from interleaved import Call, arguments, machine, middle, ratios, seconds_by_round, spread, table
from torch import Tensor
from warp_linear import MIB, peak_allocated, resident_rise

from tenuto.frontend.diffres import DiffRes
from tenuto.frontend.position_encoding import position_encoding
from tenuto.frontend.spectrogram import Spectrogram
from tenuto.frontend.warp import Warp

CASES = ((3_000, 8, 20), (10_000, 1, 60))  # frames, clips, how many times faster
N_BANDS, REDUCTION = 128, 0.75
MEMORY_AT_MOST = 0.1


def warp_matrix_of_appendix(importance: Tensor, n_out: int) -> tuple[Tensor, Tensor]:
    """Importance (batch, frame) -> W (batch, n_out, frame) and the output in which each frame ends (batch, frame)."""
    ends = importance.to(torch.float64).cumsum(1) - 1e-4  # rounding must not push the last frame past the last output
    output = (ends.ceil() - 1).clamp_(0, n_out - 1).to(torch.int64)
    w = importance.new_zeros(len(importance), n_out, importance.shape[1])
    w.scatter_(1, output[:, None], importance[:, None])  # Eq. 5
    p = (1 - w.sum(2, dtype=torch.float64)).cumsum_(1)[..., None].to(w.dtype)  # Eq. 9
    m = w.sign()
    q = torch.diff(m, dim=2)  # Eq. 10, without its column of zeros
    w[:, 1:, 1:].addcmul_(p[:, :-1], q[:, 1:].clamp_min(0), value=-1)  # V of Eqs. 11 and 12
    w[:, :, 1:].addcmul_(p, q.neg_().clamp_min_(0))  # U
    return w, output


def warp_dense(frames: Tensor, positions: Tensor, importance: Tensor, n_out: int) -> list[Tensor]:
    """Mean, maximum (Eq. 6) and encoding, each (batch, band, n_out)."""
    w, output = warp_matrix_of_appendix(importance.to(frames.dtype), n_out)
    both = torch.cat([frames, positions.expand_as(frames)], 1)  # (batch, 2 band, frame)
    mean, encoding = (both @ w.mT).chunk(2, 1)
    rows, largest = frames.mT, frames.new_zeros(len(frames), n_out, frames.shape[1])
    for touched in (output, (output - 1).clamp_min(0)):
        weight = w.gather(1, touched[:, None])[:, 0]
        largest.scatter_reduce_(1, touched[..., None].expand_as(rows), rows * weight[..., None], "amax")
    return [mean, largest.mT, encoding]


def dense_layer(layer: DiffRes, log_mel: Tensor) -> Tensor:
    """What the layer gives (batch, 3, band, n_out), with a dense warp."""
    spectrogram = Spectrogram.of(log_mel, None, None)
    kept, n_out = layer.kept_of(spectrogram)
    importance = layer._importance(spectrogram, kept)
    frames, positions = spectrogram.to_warp(), position_encoding(N_BANDS, log_mel.shape[2], log_mel.device)
    mean, largest, encoding = warp_dense(frames, positions, importance, n_out)
    largest *= log_mel.shape[2] / n_out
    return torch.stack([spectrogram.finish(mean, kept), spectrogram.finish(largest, kept), encoding], 1)


def make_calls(n_frames: int, n_clips: int, release: str | None = None) -> dict[str, Call]:
    """Both layers, both warps, the importance network, and the authors' layer from where it lies."""
    torch.manual_seed(0)
    layer = DiffRes(N_BANDS, REDUCTION).eval()
    log_mel = (torch.randn(n_clips, n_frames, N_BANDS) * 3 - 8).mT
    with torch.inference_mode():
        importance, n_out = layer(log_mel).importance, layer.kept(n_frames)
    frames, positions = log_mel.exp(), position_encoding(N_BANDS, n_frames, log_mel.device)

    def warp() -> object:
        cut = Warp(importance, n_out)
        return cut.mean_max_and_encoding(frames, positions[None])

    calls = {
        "DiffRes": lambda: layer(log_mel).features,
        "dense": lambda: dense_layer(layer, log_mel),
        "network": lambda: layer.importance(log_mel),
        "warp": warp,
        "dense warp": lambda: warp_dense(frames, positions, importance, n_out),
    }
    if release is not None:
        sys.path.insert(0, release)
        from pydiffres import DiffRes as Authors  # type: ignore[import-not-found]

        authors, frame_first = Authors(n_frames, N_BANDS, REDUCTION).eval(), log_mel.mT.contiguous()
        calls["release"] = lambda: authors(frame_first)["feature"]
    return {name: torch.inference_mode()(call) for name, call in calls.items()}


def measured_memory(case: int, name: str) -> dict[str, int]:
    """allocated and resident, in bytes, in a process of its own."""
    command = [sys.executable, __file__, "--memory-of", str(case), name]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    memory: dict[str, int] = json.loads(found.stdout)
    return memory


def print_memory(case: int, name: str) -> None:
    """As JSON; resident first, since the profiler has memory of its own."""
    make_calls(100, 1)[name]()  # what the first call of all loads is not the layer's
    n_frames, n_clips, _ = CASES[case]
    call = make_calls(n_frames, n_clips)[name]
    resident = resident_rise(call)
    print(json.dumps({"resident": resident or 0, "allocated": peak_allocated(call)}))


def row_of(case: int, rounds: int, clock: object, release: str | None) -> list[str]:
    """One line of the table."""
    n_frames, n_clips, wanted = CASES[case]
    calls = make_calls(n_frames, n_clips, release)
    outputs = [[*map(Tensor.double, calls[name]())] for name in ("warp", "dense warp")]  # type: ignore[call-overload]
    error = max(float((a - b).abs().max() / a.abs().max()) for a, b in zip(*outputs, strict=True))
    seconds = seconds_by_round(calls, rounds, clock)  # type: ignore[arg-type]
    layer, warp = ratios(seconds, "dense", "DiffRes"), ratios(seconds, "dense warp", "warp")
    memory = {name: measured_memory(case, name) for name in ("DiffRes", "dense")}
    mib = [f"{memory[name][kind] / MIB:.0f}" for kind in ("allocated", "resident") for name in memory]
    share = memory["DiffRes"]["allocated"] / memory["dense"]["allocated"]
    kept = statistics.median(layer) >= wanted and share <= MEMORY_AT_MOST
    times = [middle(seconds[name]) for name in ("network", "DiffRes", "dense")]
    memories = [f"{mib[0]} / {mib[1]}", f"{mib[2]} / {mib[3]}", f"{1 / share:.1f}"]
    verdict = f"{wanted} times, {1 / MEMORY_AT_MOST:.0f} times: {'yes' if kept else 'no'}"
    row = [f"{n_frames:,} x {n_clips}", *times, spread(layer), spread(warp), *memories, f"{error:.1e}", verdict]
    if release is not None:
        row += [middle(seconds["release"])]
        row += [spread(ratios(seconds, "release", name)) for name in ("DiffRes", "dense")]
    return row


def main() -> None:
    if "--memory-of" in sys.argv:
        print_memory(int(sys.argv[2]), sys.argv[3])
        return
    more = argparse.ArgumentParser(add_help=False)
    more.add_argument("--release", metavar="DIR", help="a checkout of the authors' layer, to be timed beside")
    options = arguments(__doc__ or "", rounds=7, more=more)
    print(f"{machine()}; {N_BANDS} bands, reduction {REDUCTION}, forward\n")
    rows = [row_of(case, options.rounds, options.clock, options.release) for case in range(len(CASES))]
    header = ["frames x clips", "importance network, ms", "DiffRes, ms", "dense, ms", "dense / DiffRes"]
    header += [
        "dense / DiffRes, warp alone",
        "MiB allocated",
        "MiB resident",
        "memory, times less",
        "warps differ by",
        "wanted of the layer",
    ]
    if options.release is not None:
        header += ["authors' release, ms", "release / DiffRes", "release / dense"]
    print(table(header, rows))


if __name__ == "__main__":
    main()
