"""The memory of a process of ours: what is freed is kept, so that a step's buffers are the next one's."""

from __future__ import annotations

import ctypes
import os

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # glibc's malloc.h
_LARGE = 16 * 2**20  # bytes; larger buffers come from the system, and go back to it
_MOST = 512 * 2**20  # bytes that are free and kept, at the end of what is had
_SETTINGS = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")


def keep_freed_memory() -> bool:
    """Tells glibc's allocator, and asks for huge pages where buffers are larger; whether glibc was told.

    By default it hands buffers of some megabytes back to the system, which clears every page of the next ones: a
    quarter of a training on a CPU (benchmarks/kept_memory.py). For the whole process, so that no library may call
    this, and before PyTorch's first tensor. Other allocators, and what the environment says of glibc's, are left as
    they are.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if not _is_glibc() or _is_set():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_MMAP_THRESHOLD, _LARGE)) and bool(mallopt(_TRIM_THRESHOLD, _MOST))


def _is_set() -> bool:
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    return "glibc.malloc" in tunables or any(name in os.environ for name in _SETTINGS)


def _is_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (AttributeError, ValueError, OSError):
        return False
