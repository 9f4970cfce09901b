"""The command line's processes keep what they freed, unless the environment has its own mind."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tenuto.allocator import _is_glibc

pytestmark = pytest.mark.skipif(not _is_glibc(), reason="glibc's allocator alone is told")
SCRIPT = """
from tenuto.allocator import keep_freed_memory
told = keep_freed_memory()
import resource, torch
def step():
    buffers = [torch.ones(2**20) for _ in range(8)]  # 32 MB
for _ in range(5):
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(told, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def told_and_faults(**settings: str) -> tuple[bool, int]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment | settings, capture_output=True, text=True, check=True
    )
    told, faults = done.stdout.split()
    return told == "True", int(faults)


def test_freed_memory_is_kept() -> None:
    told, faults = told_and_faults()
    left_alone, as_ever = told_and_faults(MALLOC_TOP_PAD_="131072")  # its default
    assert told
    assert not left_alone
    assert faults < 0.4 * as_ever  # none, but for what other work on the machine does to it


@pytest.mark.parametrize("setting", ["MALLOC_TRIM_THRESHOLD_=131072", "GLIBC_TUNABLES=glibc.malloc.trim_threshold=9"])
def test_what_the_environment_says_is_left_as_it_is(setting: str) -> None:
    name, value = setting.split("=", 1)
    assert not told_and_faults(**{name: value})[0]
