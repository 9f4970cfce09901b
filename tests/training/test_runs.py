"""A run folder belongs to one recipe and to the same data; one that is broken says so in one line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tenuto.data.clips import Clip, ClipTable, make_table
from tenuto.data.identity import fingerprint
from tenuto.data.sets import find_clips
from tenuto.errors import UsageError, WorkError
from tenuto.training.runs import RunFolder, check_own, claim
from training.sounds import make_sounds, small_recipe


@pytest.fixture
def table(tmp_path: Path) -> ClipTable:
    return find_clips(make_sounds(tmp_path / "sounds", n_a_class=2, folds=2))


def claimed(folder: Path, table: ClipTable) -> RunFolder:
    run = RunFolder(folder)
    claim(run, small_recipe(), {"data": fingerprint(table)})
    return run


def copied(clip: Clip) -> Clip:
    """The same bytes under another name."""
    return replace(clip, path=Path(shutil.copy(clip.path, clip.path.with_name("copy.wav"))))


CHANGES: dict[str, Callable[[Clip], Clip]] = {
    "path": copied,
    "label": lambda clip: replace(clip, labels=("middle",)),
    "fold": lambda clip: replace(clip, fold="1"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_fingerprint_is_of_every_column(table: ClipTable, change: Callable[[Clip], Clip]) -> None:
    first, *others = table.clips
    assert (first.labels, first.fold) == (("low",), "0")
    assert fingerprint(replace(table, clips=(change(first), *others))) != fingerprint(table)


def test_the_fingerprint_is_of_the_split(table: ClipTable) -> None:
    def with_test_clip(k: int) -> str:
        clips = [replace(clip, split="test" if i == k else "train") for i, clip in enumerate(table.clips)]
        return fingerprint(make_table(clips, table.name, table.root))

    assert with_test_clip(0) != with_test_clip(1)


def test_the_fingerprint_is_not_of_the_place(table: ClipTable, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "sounds", tmp_path / "moved" / "sounds")
    assert fingerprint(find_clips(tmp_path / "moved" / "sounds")) == fingerprint(table)


def test_other_audio_in_the_place_of_the_old_is_refused(table: ClipTable, tmp_path: Path) -> None:
    run = claimed(tmp_path / "run", table)
    run.curves.write_text("epoch\n1\n")
    claimed(run.root, table)  # goes on
    with table.clips[0].path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(UsageError, match="holds a run with data="):
        claimed(run.root, table)


@pytest.mark.parametrize("left", ["", ".run.json.7.part", "checkpoints/.last.ckpt.7.part"])
def test_a_run_that_never_began_gives_way_to_another(table: ClipTable, tmp_path: Path, left: str) -> None:
    run, identity = claimed(tmp_path / "run", table), {"data": fingerprint(table), "seed": 1}
    if left:
        (run.root / left).parent.mkdir(exist_ok=True)
        (run.root / left).write_text("half")
    assert claim(run, small_recipe("frontend.n_mels=20"), identity) is None
    check_own(run, small_recipe("frontend.n_mels=20"), identity)
    with pytest.raises(UsageError, match=r"differing in frontend\.n_mels"):  # as the other process is told
        check_own(run, small_recipe(), {"data": fingerprint(table)})


@pytest.mark.parametrize("left", ["curves.csv", "checkpoints/last.ckpt", "tensorboard/events", "metrics.json"])
def test_a_run_that_began_does_not(table: ClipTable, tmp_path: Path, left: str) -> None:
    run = claimed(tmp_path / "run", table)
    (run.root / left).parent.mkdir(exist_ok=True)
    (run.root / left).write_text("{}")
    with pytest.raises(UsageError, match=r"differing in frontend\.n_mels"):
        claim(run, small_recipe("frontend.n_mels=20"), {"data": fingerprint(table)})


def test_a_file_that_went_away_is_other_data(table: ClipTable) -> None:
    before = fingerprint(table)
    table.clips[0].path.unlink()
    assert fingerprint(table) != before


def test_a_folder_that_cannot_be_written(table: ClipTable, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(WorkError, match=r"file/run cannot be written: \w+"):
        claimed(tmp_path / "file" / "run", table)


@pytest.mark.parametrize("name", ["run.json", "metrics.json"])
@pytest.mark.parametrize(
    ("text", "message"),
    [("{half", "cannot be read"), ("[1]", "holds no JSON object")],
)
def test_a_broken_run_folder(table: ClipTable, tmp_path: Path, name: str, text: str, message: str) -> None:
    run = claimed(tmp_path / "run", table)
    (run.root / name).write_text(text)
    with pytest.raises(WorkError) as caught:
        claimed(run.root, table)
    told = str(caught.value)
    assert told.startswith(f"{run.root / name} {message}")
    assert told.endswith(": delete the folder to begin anew")
    assert "\n" not in told
