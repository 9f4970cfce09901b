"""The machine that a measurement was made on, in words that anyone may read: no name, no path."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """Processor, cores, threads, GPU, system and versions, as plain values."""
    import torch

    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


def machine_line(found: dict[str, Any]) -> str:
    """`machine()` in one line."""
    gpu = f", {found['gpu']}" if found["gpu"] else ""
    return (
        f"{found['processor']}, {found['cores']} cores, {found['threads']} threads{gpu}, {found['system']}, "
        f"Python {found['python']}, PyTorch {found['torch']}"
    )


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
