"""Time and memory of the warp from 1,000 to 100,000 frames, as ratios to 1,000 frames: is it linear?

    python benchmarks/warp_linear.py [--rounds 15] [--threads 1] [--json]

One clip of 128 bands, 75 % of the frames saved, mean and maximum in one pass as DiffRes takes them. Sizes take turns
within a round, each timed call after an untimed one of the same size; a ratio is formed within its round, tables give
the median [smallest largest]. Memory is what lives at once beside the inputs: the peak of PyTorch's own allocations
during one call (counted by its profiler), and as a check the rise of the process's resident memory over the call,
in a fresh process for every size.

Under glibc large tensors are handed back to the system after each call and their pages faulted in anew, which at
100,000 frames (49 MiB of input) costs more than the warp. MALLOC_MMAP_THRESHOLD_=4000000000
MALLOC_TRIM_THRESHOLD_=8000000000 in the environment keeps them, and shows the warp alone.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
from torch.profiler import ProfilerActivity, profile

from tenuto.frontend.warp import Warp

SIZES = (1_000, 3_000, 10_000, 100_000)
N_BANDS, SHARE_KEPT = 128, 0.25
MIB = 2**20


def make_call(n_frames: int, backward: bool) -> Callable[[], None]:
    """The warp of one clip of so many frames, forward or forward and backward to frames and importance."""
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(1, n_frames, N_BANDS, generator=generator).mT  # a frame's bands together, as energies come
    importance = torch.rand(1, n_frames, generator=generator)
    n_out = int(SHARE_KEPT * n_frames)
    importance = (importance * (n_out / importance.sum())).clamp(max=1)
    frames.requires_grad_(backward)
    importance.requires_grad_(backward)

    def call() -> None:
        mean, largest = Warp(importance, n_out).mean_and_max(frames)
        if backward:
            torch.autograd.grad((mean + largest).sum(), (frames, importance))

    return call


def seconds(call: Callable[[], None]) -> float:
    """Of one call after an untimed one; at least 10 ms of calls, so that the clock's grain does not matter."""
    call()
    n_calls, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < 0.01 or n_calls == 0:
        call()
        n_calls += 1
    return spent / n_calls


def times(rounds: int, backward: bool) -> dict[int, list[float]]:
    """Seconds of each size in each round."""
    calls = {size: make_call(size, backward) for size in SIZES}
    seen: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(rounds):
        for size, call in calls.items():
            seen[size].append(seconds(call))
    return seen


def peak_allocated(call: Callable[[], None]) -> int:
    """Largest sum of PyTorch's live allocations during a call, in bytes."""
    call()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    live = highest = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        live += event.nbytes()
        highest = max(highest, live)
    return highest


def resident_rise(call: Callable[[], None]) -> int | None:
    """How far a first call raises the resident memory of this process at its height, in bytes; None if not Linux."""
    reset, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    if not reset.exists():
        return None
    before = status_bytes(status, "VmRSS")
    reset.write_text("5")  # the high-water mark starts anew: importing torch was higher
    call()
    return status_bytes(status, "VmHWM") - before


def status_bytes(status: Path, name: str) -> int:
    """A field of /proc/PID/status, which gives KiB."""
    (line,) = (x for x in status.read_text().splitlines() if x.startswith(name))
    return int(line.split()[1]) * 1024


def measured_memory(n_frames: int, backward: bool) -> dict[str, int]:
    """Both measures, each in a process of its own."""
    command = [sys.executable, __file__, "--memory-of", str(n_frames), *(["--backward"] if backward else [])]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    memory: dict[str, int] = json.loads(found.stdout)
    return memory


def machine() -> str:
    """Processor, cores, threads, versions."""
    names = [x.partition(":")[2].strip() for x in cpu_lines() if x.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    return (
        f"{processor}, {len(names) or '?'} cores, {torch.get_num_threads()} thread(s), "
        f"torch {torch.__version__}, Python {platform.python_version()}"
    )


def cpu_lines() -> list[str]:
    """Of Linux's /proc/cpuinfo, or none."""
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def measure(rounds: int) -> list[dict[str, object]]:
    """One row a direction and size."""
    rows: list[dict[str, object]] = []
    for backward in (False, True):
        seen = times(rounds, backward)
        memory = {size: measured_memory(size, backward) for size in SIZES}
        for size in SIZES:
            ratios = [a / b for a, b in zip(seen[size], seen[SIZES[0]], strict=True)]
            rows.append(
                {
                    "direction": "forward and backward" if backward else "forward",
                    "frames": size,
                    "kept": int(SHARE_KEPT * size),
                    "milliseconds": 1000 * median(seen[size]),
                    "time_ratio": [median(ratios), min(ratios), max(ratios)],
                    "allocated_mib": memory[size]["allocated"] / MIB,
                    "allocated_ratio": memory[size]["allocated"] / memory[SIZES[0]]["allocated"],
                    "resident_mib": (memory[size]["resident"] or 0) / MIB,
                }
            )
    return rows


def table(rows: list[dict[str, object]]) -> str:
    """Markdown."""
    head = "| | frames | kept | ms | time / 1,000 frames | MiB allocated | / 1,000 frames | MiB resident |"
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        middle, low, high = row["time_ratio"]
        lines.append(
            f"| {row['direction']} | {row['frames']:,} | {row['kept']:,} | {row['milliseconds']:.2f} "
            f"| {middle:.2f} [{low:.2f} {high:.2f}] | {row['allocated_mib']:.2f} | {row['allocated_ratio']:.2f} "
            f"| {row['resident_mib']:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--backward", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory_of:
        make_call(100, arguments.backward)()  # what the first call of all loads is not the warp's
        call = make_call(arguments.memory_of, arguments.backward)
        resident = resident_rise(call)  # before the profiler, which has memory of its own
        print(json.dumps({"resident": resident, "allocated": peak_allocated(call)}))
        return
    rows = measure(arguments.rounds)
    if arguments.json:
        print(json.dumps({"machine": machine(), "rounds": arguments.rounds, "rows": rows}))
    else:
        print(f"{machine()}; {arguments.rounds} rounds\n\n{table(rows)}")


if __name__ == "__main__":
    main()
