"""What a number depends on besides recipe, seed and data: machine and versions, without a path of either."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tenuto import __version__
from tenuto.inference.machine import processor

PACKAGES = ("torch", "lightning", "timm", "numpy", "soundfile", "soxr")


def circumstances() -> dict[str, Any]:
    """`machine` and `versions`, as plain values."""
    import torch

    found = {name: installed for name in PACKAGES if (installed := _version(name)) is not None}
    return {
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": {"tenuto": __version__, "python": platform.python_version(), **found},
    }


def shown_path(path: str | os.PathLike[str]) -> str:
    """A path for a record that others read: as given where relative, else its last part behind dots."""
    given = Path(path)
    return f".../{given.name}" if given.is_absolute() else given.as_posix()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
