"""What is gained on a CPU by a process that keeps the memory it freed, as `tenuto` does, and what memory that costs.

    python benchmarks/kept_memory.py FOLDER [--rounds 3] [section.key=value]

FOLDER is a data set as `tenuto train` reads it: it is trained on for two epochs, then predicted. Whole commands, by
turns as they are and with glibc's allocator left alone (its MALLOC_TOP_PAD_ set to what it is), which hands large
buffers back to the system; their peak is the process's largest, workers not counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from interleaved import machine, table

LEFT_ALONE = {"MALLOC_TOP_PAD_": "131072", "THP_MEM_ALLOC_ENABLE": "0"}
EVERY_FRAME = ["frontend.resolution=none", "frontend.n_mels=128"]  # a log-mel kept whole takes most memory
WAYS = {"kept": {}, "left alone": LEFT_ALONE}


class Cost(NamedTuple):
    """Of one command."""

    seconds: float
    system_seconds: float
    peak_mb: float


def cost(arguments: list[str], environment: dict[str, str]) -> Cost:
    """Of `tenuto arguments`. Raises CalledProcessError where it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "tenuto.cli", *arguments],
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):  # 3: some files could not be read
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return Cost(time.perf_counter() - start, usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description="What keeping freed memory gains, and costs")
    parser.add_argument("source", type=Path)
    parser.add_argument("settings", nargs="*", help="section.key=value")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_intermixed_args()
    costs: dict[tuple[str, str], list[Cost]] = {}
    for k in range(options.rounds):
        for way, environment in WAYS.items():
            with tempfile.TemporaryDirectory() as folder:
                run, source = str(Path(folder, "run")), str(options.source)
                settings = [*EVERY_FRAME, "training.epochs=2", *options.settings]
                train = ["train", source, "--out", run, *settings]
                predict = ["predict", run, source, "--csv", str(Path(folder, "labels.csv"))]
                for name, arguments in {"train, two epochs": train, "predict": predict}.items():
                    costs.setdefault((name, way), []).append(cost(arguments, environment))
        print(f"round {k + 1} of {options.rounds}", file=sys.stderr)
    rows = [
        [name, way, *(f"{statistics.median(values):.1f}" for values in zip(*of_both, strict=True))]
        for (name, way), of_both in costs.items()
    ]
    print(f"{machine()}; {options.source.name}, medians of {options.rounds}\n")
    print(table(["command", "freed memory", "seconds", "of them the system's, all threads", "peak, MB"], rows))


if __name__ == "__main__":
    main()
