"""Archives of every kind: what comes out is what went in, nothing gets out of the folder, nothing half done stays."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path
from zipfile import BadZipFile

import pytest

from data.packed import make_split_zip, make_tar, make_zip
from tenuto.data.split_zip import SplitZip
from tenuto.data.unpack import unpack
from tenuto.errors import WorkError

RANDOM = random.Random(1)
CONTENTS = {
    "Set/audio/a.wav": RANDOM.randbytes(5000),
    "Set/audio/b.wav": b"",
    "Set/audio/deep/c.wav": b"the same " * 1000,
    "Set/meta.csv": "path,label\nüber.wav,dog\n".encode(),
    "Set/übung.txt": b"not ASCII",
}


def found_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make(kind: str, path: Path, contents: dict[str, bytes]) -> list[Path]:
    if kind == "tar.gz":
        return [make_tar(path / "set.tar.gz", contents)]
    if kind == "zip":
        return [make_zip(path / "set.zip", contents)]
    return make_split_zip(path / "set.zip", contents, 1000, wide=kind == "split 64-bit")


KINDS = pytest.mark.parametrize("kind", ["zip", "tar.gz", "split", "split 64-bit"])


@KINDS
def test_what_comes_out_is_what_went_in(tmp_path: Path, kind: str) -> None:
    archives = make(kind, tmp_path / "archives", CONTENTS)
    assert len(archives) > 5 or not kind.startswith("split")
    calls: list[None] = []
    n_files = unpack(archives, tmp_path / "out", progress=lambda: calls.append(None))
    assert found_in(tmp_path / "out") == CONTENTS
    assert (n_files, len(calls)) == (5, 5)


@KINDS
def test_without_the_first_folder_and_beside_what_is_there(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "root"
    (root / "audio").mkdir(parents=True)
    (root / "audio" / "kept.wav").write_bytes(b"kept")
    (root / "meta.csv").write_bytes(b"an older one")
    unpack(make(kind, tmp_path / "archives", CONTENTS), root, strip=True)
    stripped = {name.removeprefix("Set/"): content for name, content in CONTENTS.items()}
    assert found_in(root) == stripped | {"audio/kept.wav": b"kept"}


@KINDS
@pytest.mark.parametrize("name", ["../out.txt", "a/../../out.txt", "/out.txt", "a\\..\\..\\out.txt", "C:out.txt"])
@pytest.mark.parametrize("strip", [False, True])
def test_no_path_leads_out_of_the_folder(tmp_path: Path, kind: str, name: str, strip: bool) -> None:
    archives = make(kind, tmp_path / "archives", CONTENTS | {name: b"escaped"})
    before = found_in(tmp_path)
    with pytest.raises(WorkError, match="leads out of the folder"):
        unpack(archives, tmp_path / "deep" / "root", strip=strip)
    assert found_in(tmp_path) == before


def test_links_are_passed_over(tmp_path: Path) -> None:
    links = {"Set/inside": "meta.csv", "Set/audio/outside": "/etc/passwd", "Set/up": "../.."}
    archive = make_tar(tmp_path / "set.tar.gz", CONTENTS, links)
    assert unpack([archive], tmp_path / "out") == 5
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_symlink()]


@pytest.mark.skipif(shutil.which("zip") is None, reason="zip is not installed")
def test_archives_that_zip_itself_made(tmp_path: Path) -> None:
    source = tmp_path / "source"
    contents = {f"Set/{k}.wav": random.Random(k).randbytes(30_000) for k in range(8)}
    for name, content in contents.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    (source / "link.wav").symlink_to("Set/0.wav")
    subprocess.run(["zip", "-q", "-r", "-s", "64k", "set.zip", "Set"], cwd=source, check=True)
    parts = [*sorted(source.glob("set.z[0-9]*")), source / "set.zip"]
    assert len(parts) == 4
    assert unpack(parts, tmp_path / "out") == 8
    assert found_in(tmp_path / "out") == contents
    subprocess.run(["zip", "-q", "-y", "plain.zip", "link.wav"], cwd=source, check=True)
    assert unpack([source / "plain.zip"], tmp_path / "links") == 0


@KINDS
def test_broken_archives_leave_what_was_there(tmp_path: Path, kind: str) -> None:
    archives = make(kind, tmp_path / "archives", CONTENTS)
    whole = archives[0].read_bytes()
    root = tmp_path / "root"
    root.mkdir()
    broken = {"cut": whole[: len(whole) // 2], "changed": _flipped(whole), "none": b"<html>Not found</html>"}
    for content in broken.values():
        archives[0].write_bytes(content)
        with pytest.raises(WorkError, match=r"broken archive \(.+\): delete it and give the same command again"):
            unpack(archives, root)
        assert list(root.iterdir()) == []


def _flipped(whole: bytes) -> bytes:
    """Some bytes in the middle of the first file's content are others."""
    return whole[:300] + bytes(255 - byte for byte in whole[300:320]) + whole[320:]


def test_a_part_that_is_missing(tmp_path: Path) -> None:
    archives = make_split_zip(tmp_path / "set.zip", CONTENTS, 1000)
    with pytest.raises(WorkError, match="broken archive"):
        unpack(archives[1:], tmp_path / "out")
    with pytest.raises(BadZipFile, match=r"it has \d+ files or more, 2 are there"):
        SplitZip([archives[0], archives[-1]])


def test_a_disk_that_refuses(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "set.zip", CONTENTS)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorkError, match=r"set\.zip: cannot be unpacked to .*file"):
        unpack([archive], tmp_path / "file")
