"""Timing that holds on a noisy machine: candidates in turn, in one process, ratios formed round by round."""

from __future__ import annotations

import argparse
import gc
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

Call = Callable[[], object]
_KEEPING_PAGES = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "8000000000"}


def seconds_by_round(
    candidates: Mapping[str, Call], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of each candidate in each round; every timed call follows an untimed one of the same candidate."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in candidates.items():
                call()
                start = clock()
                call()
                seconds[name].append(clock() - start)
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


def middle(seconds: list[float]) -> str:
    """The median, in milliseconds."""
    return f"{1000 * statistics.median(seconds):.3g}"


def arguments(
    description: str, rounds: int, keep_pages: bool = False, more: argparse.ArgumentParser | None = None
) -> argparse.Namespace:
    """The options every benchmark has: --rounds; --threads, which are set at once; --cpu-time, which is `clock`.

    --keep-pages: as `restart_keeping_pages`; keep_pages is whether it does so unless told otherwise. more: options
    of one benchmark, in a parser without help.
    """
    summary = description.splitlines()[0] if description else None
    parser = argparse.ArgumentParser(description=summary, parents=[] if more is None else [more])
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cpu-time", action="store_true", help="seconds of the processor: for a busy machine")
    pages = argparse.BooleanOptionalAction
    parser.add_argument("--keep-pages", action=pages, default=keep_pages, help="freed memory is not handed back")
    options = parser.parse_args()
    if options.keep_pages:
        restart_keeping_pages()
    torch.set_num_threads(options.threads)
    options.clock = time.process_time if options.cpu_time else time.perf_counter
    return options


def restart_keeping_pages() -> None:
    """This script anew, with a memory allocator (glibc's) that keeps what is freed.

    By default it hands large buffers back after each call, and the system clears every page of the next one: that
    costs several times what copying it does, so that a ratio to a copy would flatter.
    """
    if any(os.environ.get(name) != value for name, value in _KEEPING_PAGES.items()):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | _KEEPING_PAGES)


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
