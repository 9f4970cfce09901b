"""Downloads from a server on this machine: whole, cut off, resumed, changed meanwhile, wrong, refused."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from data.server import Files, serving
from tenuto.data import download as module
from tenuto.data.download import N_TRIES, Remote, download
from tenuto.errors import WorkError

CONTENT = random.Random(0).randbytes(300_000)


@pytest.fixture
def files() -> Iterator[Files]:
    with serving(Files({"set.zip": CONTENT})) as served:
        yield served


def remote(files: Files, content: bytes = CONTENT) -> Remote:
    return Remote(f"{files.url}/set.zip", "set.zip", f"md5:{hashlib.md5(content).hexdigest()}")


def fetch(remote: Remote, folder: Path, seen: list[tuple[int, int | None]] | None = None) -> Path:
    tell = None if seen is None else lambda there, total: seen.append((there, total))
    return download(remote, folder, tell, wait_seconds=0.0)


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_whole_file_and_its_progress(tmp_path: Path, files: Files) -> None:
    seen: list[tuple[int, int | None]] = []
    path = fetch(replace(remote(files), n_bytes=len(CONTENT)), tmp_path / "new" / "archives", seen)
    assert path.read_bytes() == CONTENT
    assert left_in(path.parent) == {"set.zip"}
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)


def test_a_complete_file_is_not_asked_for(tmp_path: Path, files: Files) -> None:
    (tmp_path / "set.zip").write_bytes(CONTENT)
    assert fetch(remote(files), tmp_path) == tmp_path / "set.zip"
    assert files.asked == []


def test_a_file_of_another_content_is_replaced(tmp_path: Path, files: Files) -> None:
    (tmp_path / "set.zip").write_bytes(CONTENT[:1000])
    assert fetch(remote(files), tmp_path).read_bytes() == CONTENT


def test_a_cut_connection_goes_on_where_it_was_cut(tmp_path: Path, files: Files) -> None:
    files.cuts = [100_000, 50_000]
    seen: list[tuple[int, int | None]] = []
    assert fetch(remote(files), tmp_path, seen).read_bytes() == CONTENT
    assert [asked for _, asked in files.asked] == [None, "bytes=100000-", "bytes=150000-"]
    assert {total for _, total in seen} == {len(CONTENT)}


def test_the_next_call_goes_on_where_an_interrupted_one_stopped(tmp_path: Path, files: Files) -> None:
    def interrupt(there: int, total: int | None) -> None:
        if there > 0:
            raise KeyboardInterrupt

    files.cuts = [120_000]
    with pytest.raises(KeyboardInterrupt):
        download(remote(files), tmp_path, interrupt)
    n_there = (tmp_path / "set.zip.partial").stat().st_size
    assert n_there == 120_000
    assert fetch(remote(files), tmp_path).read_bytes() == CONTENT
    assert files.asked[-1] == ("set.zip", f"bytes={n_there}-")
    assert left_in(tmp_path) == {"set.zip"}


@pytest.mark.parametrize("change", ["another tag", "no ranges", "no tag"])
def test_what_cannot_be_resumed_is_begun_anew(tmp_path: Path, files: Files, change: str) -> None:
    files.tag = None if change == "no tag" else '"1"'
    with pytest.raises(WorkError):
        _cut(files, tmp_path)
    new = CONTENT[::-1]
    files.contents["set.zip"], files.cuts = new, []
    files.tag = '"2"' if change == "another tag" else files.tag
    files.ranges = change != "no ranges"
    assert fetch(remote(files, new), tmp_path).read_bytes() == new


def _cut(files: Files, folder: Path) -> None:
    """A call that gives up with a part of the file there."""
    files.cuts = [100_000, *[0] * N_TRIES]
    fetch(remote(files), folder)


def test_giving_up_says_what_is_there(tmp_path: Path, files: Files) -> None:
    with pytest.raises(WorkError, match=r"set\.zip: connection lost, 100000 bytes are there: the same command goes on"):
        _cut(files, tmp_path)
    assert (tmp_path / "set.zip.partial").read_bytes() == CONTENT[:100_000]
    files.cuts = []
    assert fetch(remote(files), tmp_path).read_bytes() == CONTENT


def test_all_was_there_but_the_last_step(tmp_path: Path, files: Files) -> None:
    _interrupted_at_the_end(files, tmp_path)
    assert fetch(remote(files), tmp_path).read_bytes() == CONTENT
    assert files.asked[-1] == ("set.zip", f"bytes={len(CONTENT)}-")  # answered 416: nothing beyond


def _interrupted_at_the_end(files: Files, folder: Path) -> None:
    def interrupt(there: int, total: int | None) -> None:
        if there == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(remote(files), folder, interrupt)


def test_more_is_there_than_the_server_has(tmp_path: Path, files: Files) -> None:
    _interrupted_at_the_end(files, tmp_path)
    with (tmp_path / "set.zip.partial").open("ab") as file:
        file.write(b"more")
    assert fetch(remote(files), tmp_path).read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing_to_resume(tmp_path: Path, files: Files) -> None:
    wrong = remote(files, b"something else")
    with pytest.raises(
        WorkError, match=r"set\.zip from .* is not what was published \(wanted md5:.*\): it was deleted"
    ):
        fetch(wrong, tmp_path)
    assert left_in(tmp_path) == set()
    with pytest.raises(WorkError, match="is not what was published"):
        fetch(wrong, tmp_path)
    assert [asked for _, asked in files.asked] == [None, None]


def test_a_size_that_was_not_published(tmp_path: Path, files: Files) -> None:
    with pytest.raises(WorkError, match="the server has 300000 bytes of it, 5 were published"):
        fetch(replace(remote(files), n_bytes=5), tmp_path)


def test_without_a_checksum_the_size_counts(tmp_path: Path, files: Files) -> None:
    files.cuts = [100_000]
    path = fetch(replace(remote(files), checksum=None), tmp_path)
    assert path.read_bytes() == CONTENT
    files.length = False
    path = fetch(replace(remote(files), checksum=None, name="again.zip"), tmp_path)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("code", [429, 500, 503])
def test_refusals_that_pass_are_waited_for(tmp_path: Path, files: Files, code: int) -> None:
    files.refusals = [code, code]
    assert fetch(remote(files), tmp_path).read_bytes() == CONTENT
    files.refusals = [code] * N_TRIES
    with pytest.raises(WorkError, match=f"the server answered {code}"):
        fetch(replace(remote(files), name="other.zip"), tmp_path)


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_refusals_that_stay_are_told_at_once(tmp_path: Path, files: Files, code: int) -> None:
    files.refusals = [code]
    with pytest.raises(WorkError, match=rf"/set\.zip: the server answered {code}"):
        fetch(remote(files), tmp_path)
    assert len(files.asked) == 1


def test_no_server(tmp_path: Path, files: Files) -> None:
    nobody = Remote("http://127.0.0.1:9/set.zip", "set.zip")
    with pytest.raises(WorkError, match=r"set\.zip: cannot be reached \(.*\), 0 bytes are there"):
        fetch(nobody, tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path, files: Files) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorkError, match=r"file.set\.zip cannot be written"):
        fetch(remote(files), tmp_path / "file")


def test_the_wait_grows(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    files.refusals = [503] * N_TRIES
    with pytest.raises(WorkError):
        download(remote(files), tmp_path, wait_seconds=2.0)
    assert waits == [2.0 * 2**k for k in range(N_TRIES - 1)]
