"""Audio classification with learned front ends. The public names, resolved on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tenuto.errors import UsageError, WorkError
    from tenuto.frontend.compression import LogCompression
    from tenuto.frontend.diffres import DiffRes
    from tenuto.frontend.filterbanks import MelSpectrogram
    from tenuto.frontend.frontend import Frontend
    from tenuto.frontend.leaf import Leaf
    from tenuto.frontend.pcen import PCEN
    from tenuto.frontend.resolution import AvgPool, ChangeHop, ConvAvgPool
    from tenuto.frontend.sincnet import SincNet
    from tenuto.frontend.time_domain import TimeDomainFilterbank
    from tenuto.frontend.warp import warp, warp_matrix
    from tenuto.models.checkpoint import load
    from tenuto.models.classifier import Classifier

_HOMES = {
    "UsageError": "tenuto.errors",
    "WorkError": "tenuto.errors",
    "MelSpectrogram": "tenuto.frontend.filterbanks",
    "TimeDomainFilterbank": "tenuto.frontend.time_domain",
    "SincNet": "tenuto.frontend.sincnet",
    "PCEN": "tenuto.frontend.pcen",
    "Leaf": "tenuto.frontend.leaf",
    "LogCompression": "tenuto.frontend.compression",
    "DiffRes": "tenuto.frontend.diffres",
    "AvgPool": "tenuto.frontend.resolution",
    "ConvAvgPool": "tenuto.frontend.resolution",
    "ChangeHop": "tenuto.frontend.resolution",
    "Frontend": "tenuto.frontend.frontend",
    "warp": "tenuto.frontend.warp",
    "warp_matrix": "tenuto.frontend.warp",
    "Classifier": "tenuto.models.classifier",
    "load": "tenuto.models.checkpoint",
}

__all__ = [
    "PCEN",
    "AvgPool",
    "ChangeHop",
    "Classifier",
    "ConvAvgPool",
    "DiffRes",
    "Frontend",
    "Leaf",
    "LogCompression",
    "MelSpectrogram",
    "SincNet",
    "TimeDomainFilterbank",
    "UsageError",
    "WorkError",
    "load",
    "warp",
    "warp_matrix",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tenuto' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value  # found once
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
