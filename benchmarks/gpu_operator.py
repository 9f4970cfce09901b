"""What the warp costs on a GPU: against copying its input, and against the bytes that it has to move.

    python benchmarks/gpu_operator.py [--rounds 15] [--batch 64] [--device cuda]

Mean, maximum and encoding of 128 bands, 75 % of the frames saved, in float32 and bfloat16. Wanted: forward at most
twice the time of x.clone() of the input; forward and backward at most 3 times what their bytes take at the copy's
speed. Bytes are those that any implementation reads and writes: forward the energies and three outputs; backward the
energies and their gradient, the maxima, and the gradients of three outputs (of what is as small as the importance,
and of positions, which all clips share, none).

"Eager" is as Python calls it, where a short clip waits for the launching of kernels; "graph" is the same calls
recorded and replayed (CUDA graphs), which is what the kernels alone take. Some calls at a time are waited for. With
--device cpu the same table, without graphs, of the path that CPUs take.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from interleaved import Call, arguments, machine, middle, ratios, seconds_by_round, spread, table
from operator_cost import N_BANDS, SHARE_KEPT, Case, largest_error, make_case

SIZES, DTYPES = (1_000, 10_000), (torch.float32, torch.bfloat16)
FORWARD_AT_MOST, BOTH_AT_MOST = 2, 3
N_CALLS = 10  # before the device is waited for


def n_bytes(case: Case) -> tuple[int, int]:
    """Read and written at least: forward, and forward and backward."""
    energies, outputs = case.frames.nbytes, 3 * case.frames[..., : case.n_out].nbytes
    forward = energies + outputs
    return forward, forward + 2 * energies + outputs + outputs // 3


def candidates(case: Case) -> dict[str, Call]:
    """The copy and the operator, as they are called and, on a GPU, as graphs."""
    by_output = torch.rand(len(case.frames), case.n_out, N_BANDS, device=case.frames.device).to(case.frames.dtype).mT

    @torch.no_grad()
    def forward() -> object:
        return case.forward()

    calls: dict[str, Call] = {
        "copy": case.frames.clone,
        "forward": forward,
        "both": lambda: case.forward_and_backward(by_output),
    }
    if case.frames.is_cuda:
        calls |= {f"{name}, graph": recorded(call) for name, call in calls.items()}
    return calls


def recorded(call: Call) -> Call:
    """The same kernels, replayed without Python."""
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def repeated(call: Call, n_calls: int) -> Call:
    """So many calls, waited for."""

    def calls() -> None:
        for _ in range(n_calls):
            call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return calls


def times(case: Case, rounds: int) -> dict[str, list[float]]:
    """Seconds a call of each candidate in each round."""
    n_calls = N_CALLS if case.frames.is_cuda else 1
    turns = {name: repeated(call, n_calls) for name, call in candidates(case).items()}
    found = seconds_by_round(turns, rounds, time.perf_counter)
    return {name: [seconds / n_calls for seconds in of_rounds] for name, of_rounds in found.items()}


def row(case: Case, seconds: dict[str, list[float]], kind: str) -> list[str]:
    """One line, of the candidates whose names end so."""
    copy, forward, both = (seconds[name + kind] for name in ("copy", "forward", "both"))
    speed = 2 * case.frames.nbytes / statistics.median(copy)  # bytes a second, read and written
    over_copy = ratios({"a": forward, "b": copy}, "a", "b")
    reached = [n / speed / statistics.median(took) for n, took in zip(n_bytes(case), (forward, both), strict=True)]
    kept = statistics.median(over_copy) <= FORWARD_AT_MOST and 1 / reached[1] <= BOTH_AT_MOST
    shares = [f"{share:.0%} ({1 / share:.2g} times)" for share in reached]
    times_and_shares = [middle(forward), spread(over_copy), shares[0], middle(both), shares[1]]
    return [middle(copy), f"{speed / 1e9:.0f}", *times_and_shares, "yes" if kept else "no"]


def main() -> None:
    more = argparse.ArgumentParser(add_help=False)
    more.add_argument("--device", default="cuda")
    more.add_argument("--batch", type=int, default=64)
    options = arguments(__doc__ or "", rounds=15, more=more)
    name = torch.cuda.get_device_name() if options.device == "cuda" else "no GPU"
    print(f"{name}; {machine()}; {N_BANDS} bands, batch {options.batch}, {1 - SHARE_KEPT:.0%} of the frames saved\n")
    header = ["frames", "dtype", "called", "copy, ms", "GB/s", "forward, ms", "forward / copy", "of the copy's speed"]
    header += [
        "and backward, ms",
        "of the copy's speed",
        f"at most {FORWARD_AT_MOST} and {BOTH_AT_MOST}",
        "largest error",
    ]
    rows = []
    for n_frames in SIZES:
        for dtype in DTYPES:
            case = make_case(n_frames, options.batch, options.device, dtype)
            seconds, error = times(case, options.rounds), f"{largest_error(case):.1e}"
            kinds = {"eager": ""} | ({"graph": ", graph"} if "copy, graph" in seconds else {})
            for called, kind in kinds.items():
                rows.append([f"{n_frames:,}", str(dtype)[6:], called, *row(case, seconds, kind), error])
    print(table(header, rows))


if __name__ == "__main__":
    main()
