"""Which clips and which models a figure shows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tenuto.errors import UsageError
from tenuto.experiments.figures.request import Request
from tenuto.experiments.figures.shown import Shown, clips_of, load_run


def test_files_are_shown_as_they_are_named(clips: Path) -> None:
    files = (clips / "rain" / "1.wav", clips / "dog" / "0.wav")
    assert clips_of(Request("figure1", files=files), 5) == [Shown(file) for file in files]
    assert Shown(files[0]).name == "1.wav"


def test_clips_of_data_are_of_different_classes_from_all_over_the_list(clips: Path) -> None:
    data = {"mine": clips}
    assert [each.label for each in clips_of(Request("figure1", data=data), 2)] == ["dog", "rooster"]
    assert [each.label for each in clips_of(Request("figure1", data=data, limit=1), 2)] == ["dog"]
    every = clips_of(Request("figure1", data=data, limit=9), 2)
    assert [each.label for each in every] == ["dog", "rain", "rooster", "sea waves"]
    assert every[1].path == clips / "rain" / "0.wav"


def test_more_clips_than_a_picture_has_room_for_are_refused(clips: Path) -> None:
    request = Request("figure1", data={"mine": clips}, limit=3)
    assert len(clips_of(request, 2, most=3)) == 3
    with pytest.raises(UsageError, match="3 clips: figure1 has room for 2; name fewer"):
        clips_of(request, 2, most=2)


def test_classes_are_shown_in_the_order_in_which_they_are_named(clips: Path) -> None:
    request = Request("figure1", data={"mine": clips}, classes=("sea waves", "dog", "rain"))
    assert [each.label for each in clips_of(request, 1)] == ["sea waves", "dog", "rain"]


def test_clips_of_the_part_for_testing_are_shown_and_those_of_few_labels_first(clips: Path, tmp_path: Path) -> None:
    rows = [("dog/0", "dog", "train"), ("dog/1", "dog;rain", "test"), ("rain/0", "rain", "test")]
    lines = [f"{clips / path}.wav,{labels},{split}" for path, labels, split in rows]
    table = tmp_path / "clips.csv"
    table.write_text("\n".join(["path,label,split", *lines, f"{clips / 'rooster' / '0.wav'},rooster,train"]) + "\n")
    shown = clips_of(Request("figure1", data={"mine": table}), 9)
    assert [(each.label, each.path.name) for each in shown] == [("dog, rain", "1.wav"), ("rain", "0.wav")]


@pytest.mark.parametrize(
    ("request_of", "message"),
    [
        ({}, "figure1 has no clips to show: name them with --files FILE, or data with --data NAME=ROOT"),
        ({"files": ["gone.wav"]}, "gone.wav: no such file"),
        ({"files": ["gone.wav"], "limit": 1}, "--files and --limit are given"),
        ({"data": True, "limit": 0}, "--limit 0: wanted at least one clip"),
        ({"runs": True}, "gone: no such run: make it with tenuto train"),
        ({"data": True, "classes": ("rane",)}, "unknown class 'rane'; nearest: rain"),
    ],
)
def test_what_cannot_be_shown_is_refused(request_of: dict[str, object], message: str, clips: Path) -> None:
    given = dict(request_of)
    if "data" in given:
        given["data"] = {"mine": clips}
    if "files" in given:
        given["files"] = (clips / "gone.wav",)
    if "runs" in given:
        given["runs"] = (clips / "gone",)
    with pytest.raises(UsageError) as raised:
        clips_of(Request("figure1", **given), 2)  # type: ignore[arg-type]
    assert message in str(raised.value)


def test_without_files_and_data_clips_are_those_that_the_run_was_tested_on(clips: Path, tmp_path: Path) -> None:
    names = ["rain/1", "rain/0", "dog/1", "rooster/gone"]
    rows = [f"{clips / name}.wav,{name.partition('/')[0]},dog,0.5,0.2,0.1" for name in names]
    run = tmp_path / "run"
    run.mkdir()
    (run / "predictions.csv").write_text("\n".join(["path,label,predicted,score:dog,score:rain,score:rooster", *rows]))
    shown = clips_of(Request("figure4", runs=(run,)), 9)
    assert shown == [Shown(clips / "dog" / "1.wav", ("dog",)), Shown(clips / "rain" / "0.wav", ("rain",))]
    (run / "predictions.csv").write_text(f"path,label,predicted,score:dog\n{tmp_path / 'gone.wav'},dog,dog,1\n")
    with pytest.raises(UsageError, match="run: none of its test clips is where it was; name data with --data"):
        clips_of(Request("figure4", runs=(run,)), 9)


def _run_with_relative_paths(folder: Path) -> Path:
    """A run folder trained in `folder`, on clips named as seen from there."""
    (folder / "sounds").mkdir(parents=True)
    for name in ("dog", "rain"):
        (folder / "sounds" / f"{name}.wav").touch()
    run = folder / "runs" / "d"
    run.mkdir(parents=True)
    rows = [f"sounds/{name}.wav,{name},dog,0.5,0.2" for name in ("dog", "rain")]
    (run / "predictions.csv").write_text("\n".join(["path,label,predicted,score:dog,score:rain", *rows]))
    return run


@pytest.mark.parametrize("work", [".", "elsewhere", "runs", "runs/d"])
def test_test_clips_are_found_from_any_folder(work: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _run_with_relative_paths(tmp_path)
    (tmp_path / work).mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / work)
    for named in (run, Path(os.path.relpath(run))):
        shown = clips_of(Request("figure4", runs=(named,), classes=("rain",)), 1)
        assert [each.labels for each in shown] == [("rain",)]
        assert shown[0].path.samefile(tmp_path / "sounds" / "rain.wav")


def test_test_clips_that_are_nowhere_are_refused_with_the_folder_to_call_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _run_with_relative_paths(tmp_path / "here").rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as raised:
        clips_of(Request("figure4", runs=(run,)), 1)
    assert str(raised.value) == (
        f"{run}: none of its test clips is where it was: call this from the folder of the training, which has "
        "sounds/dog.wav, or name data with --data NAME=ROOT"
    )
    monkeypatch.chdir(tmp_path / "here")
    assert clips_of(Request("figure4", runs=(run,)), 1) == [Shown(Path("sounds/dog.wav"), ("dog",))]


def test_the_run_of_the_resolution_wanted_is_found_among_several(runs: Path) -> None:
    request = Request("figure9", runs=(runs / "avgpool", runs / "convavgpool", runs / "diffres"))
    assert type(load_run(request, "DiffRes", "diffres").frontend.resolution).__name__ == "DiffRes"
    assert type(load_run(request, "ConvAvgPool", "convavgpool").frontend.resolution).__name__ == "ConvAvgPool"


def test_a_run_that_is_missing_is_refused_with_the_command_that_makes_one(runs: Path, tmp_path: Path) -> None:
    make = "tenuto train SOURCE frontend.resolution=diffres frontend.fps=25 --out"
    for named, message in (
        ((), f"figure4 wants --run RUN: make one with {make} RUN"),
        ((tmp_path / "gone",), f"gone: no such run: make it with {make} {tmp_path / 'gone'}"),
        ((runs / "avgpool",), f"avgpool: no run of DiffRes, which figure4 shows: {make} RUN"),
    ):
        with pytest.raises(UsageError) as raised:
            load_run(Request("figure4", runs=named), "DiffRes", "diffres")
        assert message in str(raised.value)


@pytest.mark.parametrize(
    ("out", "wanted"),
    [(None, "figure4.png"), ("deep/a.svg", "deep/a.svg"), ("pictures", "pictures/figure4.png")],
)
def test_where_a_picture_goes(out: str | None, wanted: str) -> None:
    assert Request("figure4", out=None if out is None else Path(out)).picture == Path(wanted)


def test_a_picture_of_no_known_kind_is_refused() -> None:
    with pytest.raises(UsageError, match=r"a\.bmp: wanted a name that ends in one of \.png, \.svg, \.pdf, or a folder"):
        _ = Request("figure4", out=Path("a.bmp")).picture
