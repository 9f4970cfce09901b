"""Timing that holds on a noisy machine: candidates in turn, in one process, ratios formed round by round."""

from __future__ import annotations

import argparse
import gc
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

Call = Callable[[], object]


def seconds_by_round(candidates: Mapping[str, Call], rounds: int) -> dict[str, list[float]]:
    """Seconds of each candidate in each round; every timed call follows an untimed one of the same candidate."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in candidates.items():
                call()
                start = time.perf_counter()
                call()
                seconds[name].append(time.perf_counter() - start)
    finally:
        gc.enable()
    return seconds


def ratios(seconds: Mapping[str, list[float]], name: str, reference: str) -> list[float]:
    """Of `name` to `reference`, round by round."""
    return [a / b for a, b in zip(seconds[name], seconds[reference], strict=True)]


def spread(values: list[float]) -> str:
    """`median [smallest largest]`."""
    return f"{statistics.median(values):.3g} [{min(values):.3g} {max(values):.3g}]"


def machine() -> str:
    """Processor, threads and versions, in one line."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {torch.get_num_threads()} threads, Python {platform.python_version()}, PyTorch {torch.__version__}"


def arguments(description: str, rounds: int) -> argparse.Namespace:
    """The options every benchmark has: --rounds and --threads, which are set at once."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    return options


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
