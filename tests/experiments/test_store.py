"""The store: results are whole or absent, and a claim lives no longer than the process that made it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tenuto.errors import WorkError
from tenuto.experiments.store import Store

HOLD = """
import sys
from tenuto.experiments.store import Store
with Store(sys.argv[1]).claim("cell") as mine:
    print("mine" if mine else "not mine", flush=True)
    sys.stdin.readline()
"""


def hold_claim(folder: Path) -> subprocess.Popen[str]:
    """A process that claims the cell, says whether it got it, and keeps it until told otherwise."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_reads_back_what_was_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert not store.has("b")
    store.write("b", {"score": 0.5})
    store.write("a", {"score": 0.25})
    assert store.names() == ["a", "b"]
    assert store.read("b") == {"score": 0.5}


def test_a_result_clears_the_failure_before_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_failure("a", {"reason": "no space"})
    assert store.failed_since("a", 0)
    assert not store.failed_since("a", 4e9)  # the year 2096
    store.write("a", {})
    assert not store.failed_since("a", 0)


@pytest.mark.parametrize("text", ["", "{half", "[1, 2]"])
def test_a_broken_result_is_named_with_the_way_out(tmp_path: Path, text: str) -> None:
    store = Store(tmp_path)
    store.write("a", {})
    (tmp_path / "cells" / "a.json").write_text(text)
    with pytest.raises(WorkError, match=r"a\.json: not a stored result .*delete"):
        store.read("a")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with hold_claim(tmp_path) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "mine\n"
        with Store(tmp_path).claim("cell") as mine:
            assert not mine
        with Store(tmp_path).claim("another") as mine:
            assert mine
        other.communicate("done\n")
    with Store(tmp_path).claim("cell") as mine:
        assert mine
    assert list((tmp_path / "claims").iterdir()) == []


def test_a_killed_process_blocks_nobody(tmp_path: Path) -> None:
    with hold_claim(tmp_path) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "mine\n"
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        assert (tmp_path / "claims" / "cell.lock").exists()  # it could not clean up
        with Store(tmp_path).claim("cell") as mine:
            assert mine


def test_a_claim_is_given_back_after_an_error(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt), store.claim("cell"):
        raise KeyboardInterrupt
    with store.claim("cell") as mine:
        assert mine
