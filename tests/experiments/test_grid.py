"""The grid: each cell once, by however many processes, through kills and failures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tenuto.errors import UsageError, WorkError
from tenuto.experiments.grid import (
    Cell,
    Outcome,
    cell_of,
    check_clips_are_the_same,
    check_recipes,
    duration,
    raise_if_nothing_worked,
    run_grid,
)
from tenuto.experiments.store import Store

CELLS = [Cell("set", "diffres", 25, "own", fold, seed) for seed in range(2) for fold in ("a", "b", "c")]

# A process on the grid above: notes each cell that it works on, and works for a while on each.
WORKER = """
import os, sys, time
from pathlib import Path
from tenuto.experiments.grid import Cell, run_grid
from tenuto.experiments.store import Store
folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
def work(cell):
    with open(folder / "log", "a") as log:
        log.write(cell.name + "\\n")
    time.sleep(seconds)
    return {"metric": "accuracy", "score": 0.5, "process": os.getpid()}
cells = [Cell("set", "diffres", 25, "own", fold, seed) for seed in range(2) for fold in ("a", "b", "c")]
print(run_grid(cells, Store(folder), work).n_trained)
"""


def result(_: Cell) -> Mapping[str, Any]:
    return {"metric": "accuracy", "score": 0.5}


def start(folder: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(folder), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_log(folder: Path, n_lines: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if (folder / "log").exists() and len((folder / "log").read_text().splitlines()) >= n_lines:
            return
        time.sleep(0.02)
    raise AssertionError(f"no {n_lines} cells begun within 20 s")


def test_works_cells_off_in_order_once(tmp_path: Path) -> None:
    lines: list[str] = []
    done: list[str] = []

    def work(cell: Cell) -> Mapping[str, Any]:
        done.append(cell.name)
        return {"metric": "accuracy", "score": 0.875}

    store = Store(tmp_path)
    assert run_grid(CELLS, store, work, lines.append) == Outcome(n_trained=6, n_found=0)
    assert done == [cell.name for cell in CELLS]
    assert lines[1].startswith("grid 1/6 · set.own.diffres.25fps.a.seed0 · accuracy 87.5 % · ")
    assert lines[-1].endswith(" · 0 s left")
    assert [cell_of(store.read(name)) for name in done] == CELLS
    lines.clear()
    assert run_grid(CELLS, store, work, lines.append) == Outcome(n_trained=0, n_found=6)
    assert lines == []
    assert len(done) == 6


def test_a_failed_cell_is_listed_passed_over_and_tried_again_next_time(tmp_path: Path) -> None:
    def work(cell: Cell) -> Mapping[str, Any]:
        if cell == CELLS[1]:
            raise RuntimeError("out of luck\nand more")
        return result(cell)

    store = Store(tmp_path)
    outcome = run_grid(CELLS, store, work, lambda line: None)
    assert outcome.failed == {CELLS[1].name: "RuntimeError: out of luck"}
    assert outcome.n_trained == 5
    failure = (tmp_path / "failed" / f"{CELLS[1].name}.json").read_text()
    assert "Traceback" in failure
    raise_if_nothing_worked(outcome)  # something did
    assert run_grid(CELLS, store, result, lambda line: None) == Outcome(n_trained=1, n_found=5)
    assert not (tmp_path / "failed" / f"{CELLS[1].name}.json").exists()


def test_a_grid_in_which_all_fails_is_an_error() -> None:
    with pytest.raises(WorkError, match=r"the only cell .x. failed with: reason"):
        raise_if_nothing_worked(Outcome(failed={"x": "reason"}))


def test_an_interruption_keeps_what_was_done(tmp_path: Path) -> None:
    def work(cell: Cell) -> Mapping[str, Any]:
        if cell == CELLS[2]:
            raise KeyboardInterrupt
        return result(cell)

    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_grid(CELLS, store, work, lambda line: None)
    assert len(store.names()) == 2
    assert run_grid(CELLS, store, result, lambda line: None) == Outcome(n_trained=4, n_found=2)


class LateStore(Store):
    """Another process finishes a cell between our look at it and our claim."""

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        self.write(name, {"by": "another"})
        with super().claim(name) as mine:
            yield mine


def test_a_cell_finished_just_before_the_claim_is_not_done_again(tmp_path: Path) -> None:
    store = LateStore(tmp_path)
    assert run_grid(CELLS, store, result, lambda line: None).n_trained == 0
    assert store.read(CELLS[0].name) == {"by": "another"}


def test_two_processes_share_a_grid(tmp_path: Path) -> None:
    with start(tmp_path, 0.3) as first, start(tmp_path, 0.3) as second:
        answers = [process.communicate(timeout=60) for process in (first, second)]
    assert sum(int(count) for count, _ in answers) == 6
    waits = [line for _, said in answers for line in said.splitlines() if line.startswith("waiting")]
    assert all(line.startswith("waiting for 1 cell ") for line in waits)  # what the other one is at, no more
    begun = (tmp_path / "log").read_text().splitlines()
    assert sorted(begun) == sorted(cell.name for cell in CELLS)  # none twice
    assert Store(tmp_path).names() == sorted(begun)


def test_a_process_killed_in_the_middle_loses_one_cell_and_blocks_none(tmp_path: Path) -> None:
    with start(tmp_path, 0.2) as process:
        wait_for_log(tmp_path, 3)  # two done, the third begun
        os.kill(process.pid, signal.SIGKILL)
    store = Store(tmp_path)
    n_done = len(store.names())
    assert 2 <= n_done < 6
    outcome = run_grid(CELLS, store, result, lambda line: None)
    assert outcome == Outcome(n_trained=6 - n_done, n_found=n_done)


def test_waits_for_another_process_and_takes_over_when_it_dies(tmp_path: Path) -> None:
    lines: list[str] = []
    with start(tmp_path, 600) as process:
        wait_for_log(tmp_path, 1)

        def say(line: str) -> None:
            lines.append(line)
            if line.startswith("waiting"):
                os.kill(process.pid, signal.SIGKILL)

        outcome = run_grid(CELLS, Store(tmp_path), result, say)
    assert "waiting for 1 cell that other processes work on" in lines
    assert outcome.n_trained == 6


def test_a_store_of_other_settings_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(CELLS[0].name, {"recipe": {"training.epochs": 3, "old": 1}})
    same = {cell.name: {"training.epochs": 3, "new": 2} for cell in CELLS}
    check_recipes(CELLS, store, same)
    other = {cell.name: {"training.epochs": 4} for cell in CELLS}
    with pytest.raises(UsageError, match=r"made with training\.epochs = 3, now 4 is asked for: .*--out"):
        check_recipes(CELLS, store, other)


def test_a_store_of_other_clips_of_the_same_name_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(CELLS[0].name, {"recipe": {}, "clips": "a"})
    store.write(CELLS[1].name, {"recipe": {}})  # of a version that did not note them
    clips = {cell.name: "a" for cell in CELLS}
    check_clips_are_the_same(CELLS, store, clips)
    with pytest.raises(UsageError, match=r"of other data under the same name .*--out"):
        check_clips_are_the_same(CELLS, store, dict.fromkeys(clips, "b"))


def test_names_are_file_names() -> None:
    cell = Cell("esc10", "changehop", 12.5, "fixed", "fold 1/5", 3)
    assert cell.name == "esc10.fixed.changehop.12.5fps.fold_1_5.seed3"


@pytest.mark.parametrize(
    ("seconds", "text"), [(40.4, "40 s"), (720, "12 min"), (11100, "3 h 05 min"), (3599, "1 h 00 min")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
