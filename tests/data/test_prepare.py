"""From the archives of a publisher, here a server on this machine, to a data set that trains."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest

from data.layouts.test_audioset import make_audioset
from data.layouts.test_fsd50k import make_fsd50k
from data.layouts.test_speechcommands import make_speechcommands
from data.layouts.test_tut2017 import DEVELOPMENT, EVALUATION, make_development, make_evaluation
from data.packed import make_split_zip, make_tar, make_zip
from data.server import Files, serving
from data.sounds import chirp, write
from tenuto.cli import main
from tenuto.data.archives import PUBLICATIONS, Publication
from tenuto.data.download import Remote
from tenuto.data.layouts import audioset
from tenuto.data.prepare import prepare
from tenuto.data.sets import LAYOUTS
from tenuto.errors import UsageError, WorkError

SCENES = ("beach", "bus")
MD5 = "md5:"


@pytest.fixture
def files() -> Iterator[Files]:
    with serving(Files({})) as served:
        yield served


def contents_of(folder: Path, top: str = "") -> dict[str, bytes]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {top + path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def publish(files: Files, archives: list[list[Path]], strip: bool, n_clips: int, checksum: bool = True) -> Publication:
    """Serves the archives; what a publisher would say of them."""
    remotes = []
    for parts in archives:
        files.contents |= {path.name: path.read_bytes() for path in parts}
        sums = [f"{MD5}{hashlib.md5(path.read_bytes()).hexdigest()}" if checksum else None for path in parts]
        names = [path.name for path in parts]
        remotes.append(tuple(Remote(f"{files.url}/{n}", n, s) for n, s in zip(names, sums, strict=True)))
    return Publication("A set", "CC BY", n_clips, tuple(remotes), strip)


@pytest.fixture
def urban(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> Path:
    """UrbanSound8K of four clips, published as one tar.gz with its folder; the folder to prepare it in."""
    source = tmp_path / "source"
    lines = ["slice_file_name,fsID,start,end,salience,fold,classID,class"]
    for fold in (1, 2):
        for k, name in enumerate(("dog_bark", "siren")):
            write(source / "audio" / f"fold{fold}" / f"{fold}-{k}-0-0.wav", chirp(0.1 + 0.01 * k))
            lines.append(f"{fold}-{k}-0-0.wav,{fold},0,4,1,{fold},{k},{name}")
    (source / "metadata").mkdir()
    (source / "metadata" / "UrbanSound8K.csv").write_text("\n".join(lines) + "\n")
    archive = make_tar(tmp_path / "UrbanSound8K.tar.gz", contents_of(source, "UrbanSound8K/"))
    monkeypatch.setitem(PUBLICATIONS, "urbansound8k", publish(files, [[archive]], strip=True, n_clips=4))
    return tmp_path / "root"


def prepared(name: str, root: Path, archives: Path | None = None, keep: bool = False) -> tuple[int, list[str]]:
    """(clips, what was said)."""
    said: list[str] = []
    table = prepare(name, root, archives=archives, keep=keep, say=said.append)
    assert table is not None
    return len(table.clips), said


def test_downloaded_checked_unpacked_and_recognised(urban: Path, files: Files) -> None:
    n_clips, said = prepared("urbansound8k", urban)
    assert n_clips == 4
    size = len(files.contents["UrbanSound8K.tar.gz"])
    assert said == [
        f"A set (CC BY), 1 files into {urban}",
        f"UrbanSound8K.tar.gz: {size:,} bytes, checksum right",
        "UrbanSound8K.tar.gz: 5 files unpacked",
    ]
    assert {path.name for path in urban.iterdir()} == {"audio", "metadata", ".tenuto-prepared.json"}
    assert prepared("urbansound8k", urban) == (4, [])
    assert len(files.asked) == 1


def test_a_person_at_a_terminal_sees_a_bar(urban: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    prepared("urbansound8k", urban)
    assert "UrbanSound8K.tar.gz:   0%" in terminal.getvalue()
    assert "unpacking UrbanSound8K.tar.gz" in terminal.getvalue()


def test_archives_are_kept_where_they_are_asked_for(urban: Path, tmp_path: Path, files: Files) -> None:
    prepared("urbansound8k", urban, keep=True)
    assert (urban / "archives" / "UrbanSound8K.tar.gz").is_file()
    elsewhere = tmp_path / "downloads"
    prepared("urbansound8k", tmp_path / "second", archives=elsewhere)
    assert (elsewhere / "UrbanSound8K.tar.gz").is_file()
    prepared("urbansound8k", tmp_path / "third", archives=elsewhere)  # not downloaded again
    assert len(files.asked) == 2


def test_a_set_that_one_has_already_is_left_alone(urban: Path, files: Files, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "audio" / "fold2" / "2-1-0-0.wav").unlink()
    n_clips, said = prepared("urbansound8k", source)
    assert (n_clips, files.asked) == (4, [])
    assert said == [f"3 of 4 clips are there ('tenuto data check {source}' lists what is missing)"]


def test_a_folder_with_other_things_is_refused(urban: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    urban.mkdir()
    (urban / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError, match=r"root holds other things \(thesis\.txt\) and no urbansound8k"):
        prepared("urbansound8k", urban)
    with pytest.raises(UsageError, match=r"thesis\.txt is a file"):
        prepared("urbansound8k", urban / "thesis.txt")
    (urban / "thesis.txt").unlink()
    prepared("urbansound8k", urban)
    with pytest.raises(UsageError, match="root holds urbansound8k: name another folder for fsdd"):
        prepared("fsdd", urban)


def test_interrupted_between_two_archives(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    make_development(source / DEVELOPMENT, SCENES)
    make_evaluation(source / EVALUATION, SCENES, with_meta=False)
    everything = contents_of(source)
    archives = [
        [make_zip(tmp_path / f"{part}.zip", {n: c for n, c in everything.items() if choose(n)})]
        for part, choose in (
            ("development.meta", lambda name: DEVELOPMENT in name and "audio" not in name),
            ("evaluation.meta", lambda name: EVALUATION in name and "audio" not in name),
            ("development.audio.1", lambda name: DEVELOPMENT in name and "/b0" in name),
            ("development.audio.2", lambda name: DEVELOPMENT in name and "/b1" in name),
            ("evaluation.audio.1", lambda name: EVALUATION in name and "audio" in name),
        )
    ]
    monkeypatch.setitem(PUBLICATIONS, "tut2017", publish(files, archives, strip=False, n_clips=12))
    root = tmp_path / "root"
    lost = files.contents.pop("development.audio.2.zip")
    with pytest.raises(WorkError, match=r"development\.audio\.2\.zip: the server answered 404"):
        prepared("tut2017", root)
    files.contents["development.audio.2.zip"] = lost
    files.asked.clear()
    assert prepared("tut2017", root)[0] == 12
    assert [name for name, _ in files.asked] == ["development.audio.2.zip", "evaluation.audio.1.zip"]
    assert contents_of(root, "") == everything | {
        ".tenuto-prepared.json": (root / ".tenuto-prepared.json").read_bytes()
    }


def test_fsd50k_whose_zip_comes_in_parts(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_fsd50k(tmp_path / "source")
    archives = [
        [
            make_zip(
                tmp_path / "FSD50K.ground_truth.zip",
                contents_of(source / "FSD50K.ground_truth", "FSD50K.ground_truth/"),
            )
        ]
    ]
    for part in ("eval", "dev"):
        name = f"FSD50K.{part}_audio"
        archives.append(make_split_zip(tmp_path / f"{name}.zip", contents_of(source / name, f"{name}/"), 20_000))
        assert len(archives[-1]) > 1
    monkeypatch.setitem(PUBLICATIONS, "fsd50k", publish(files, archives, strip=False, n_clips=7))
    n_clips, said = prepared("fsd50k", tmp_path / "root")
    assert n_clips == 7
    assert not any("clips are there" in line for line in said)
    assert not (tmp_path / "root" / "archives").exists()


def test_speech_commands_and_no_published_checksum(
    tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_speechcommands(tmp_path / "source", ("yes", "no"))
    archive = make_tar(tmp_path / "speech.tar.gz", contents_of(source, "./"))
    monkeypatch.setitem(
        PUBLICATIONS, "speechcommands", publish(files, [[archive]], strip=False, n_clips=7, checksum=False)
    )
    files.cuts = [1000]
    root = tmp_path / "root"
    n_clips, said = prepared("speechcommands", root)
    assert n_clips == 6
    assert any("no published checksum, size checked" in line for line in said)
    assert said[-1] == f"6 of 7 clips are there ('tenuto data check {root}' lists what is missing)"


def test_a_broken_archive_is_told_in_one_line(urban: Path, files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files.contents["UrbanSound8K.tar.gz"] = b"changed"
    assert main(["data", "prepare", "urbansound8k", str(urban)]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert errors[-1].startswith("tenuto: UrbanSound8K.tar.gz from http://")
    assert "is not what was published" in errors[-1]


def test_the_command_line(urban: Path, files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "prepare", "urbansound8k", str(urban), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["prepared"], found["n_clips"], found["folds"]) == (True, 4, {"1": 2, "2": 2})
    assert main(["data", "prepare", "urbansound", str(urban)]) == 2
    assert capsys.readouterr().err.strip().endswith("nearest: urbansound8k")
    assert main(["data", "list", str(urban), "--layout", "urbansound8k"]) == 0
    assert "4 clips, 2 classes" in capsys.readouterr().out


def test_audioset_has_a_page_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "AudioSet"
    assert main(["data", "prepare", "audioset", str(root)]) == 0
    page = capsys.readouterr().out
    assert f"tenuto data check {root}" in page
    for name in (audioset.CLASSES, *audioset.LISTS):
        assert f"/v1/csv/{name}\n" in page
    assert not root.exists()
    assert main(["data", "prepare", "audioset", str(root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["prepared"] is False


def test_audioset_page_as_long_as_no_clip_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_audioset(tmp_path, {})
    assert main(["data", "prepare", "audioset", str(root)]) == 0
    told = capsys.readouterr()
    assert "no clip of its lists is below it" in told.err
    assert told.out.startswith("AudioSet is published as lists")
    make_audioset(tmp_path)
    assert main(["data", "prepare", "audioset", str(root)]) == 0
    assert "8 clips, 4 classes (several labels a clip)" in capsys.readouterr().out


def test_what_is_published_is_what_is_read() -> None:
    names = {layout.name for layout in LAYOUTS if layout.recognises}
    assert names.issuperset(PUBLICATIONS)
    for publication in PUBLICATIONS.values():
        assert bool(publication.archives) != bool(publication.page)
        assert len({remote.name for remote in publication.remotes}) == len(publication.remotes)
        for parts in publication.archives:
            assert parts[-1].name.endswith((".zip", ".tar.gz"))
        for remote in publication.remotes:
            kind, _, digits = (remote.checksum or "").partition(":")
            assert len(digits) == {"md5": 32, "sha256": 64, "": 0}[kind]
            assert set(digits) <= set("0123456789abcdef")


def test_the_sets_of_tut_are_there_in_full() -> None:
    remotes = {remote.name: remote for remote in PUBLICATIONS["tut2017"].remotes}
    for part, n in (("development", 10), ("evaluation", 4)):
        for k in range(1, n + 1):
            assert f"TUT-acoustic-scenes-2017-{part}.audio.{k}.zip" in remotes


def test_a_checksum_is_no_ornament(urban: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = PUBLICATIONS["urbansound8k"]
    remote = replace(published.remotes[0], checksum=f"{MD5}{'0' * 32}")
    monkeypatch.setitem(PUBLICATIONS, "urbansound8k", replace(published, archives=((remote,),)))
    with pytest.raises(WorkError, match="is not what was published"):
        prepared("urbansound8k", urban)
    assert not (urban / "audio").exists()


def test_zip_of_a_branch_with_its_folder(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    write(source / "audio" / "1-1-A-0.wav", chirp(0.1))
    (source / "meta").mkdir()
    (source / "meta" / "esc50.csv").write_text(
        "filename,fold,target,category,esc10,src_file,take\n1-1-A-0.wav,1,0,dog,True,1,A\n"
    )
    archive = make_zip(tmp_path / "ESC-50.zip", contents_of(source, "ESC-50-33c8ce9/"))
    with ZipFile(archive, "a") as opened:
        opened.mkdir("ESC-50-33c8ce9/empty")
    monkeypatch.setitem(PUBLICATIONS, "esc50", publish(files, [[archive]], strip=True, n_clips=1))
    assert prepared("esc50", tmp_path / "root")[0] == 1
