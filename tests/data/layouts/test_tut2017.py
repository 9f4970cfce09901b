"""TUT Acoustic Scenes 2017 in a small folder laid out as it is published."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.sounds import chirp, write
from tenuto.data.check import check_clips
from tenuto.data.layouts.tut2017 import DEVELOPMENT, EVALUATION
from tenuto.data.sets import find_clips
from tenuto.data.splits import split
from tenuto.errors import UsageError

SCENES = ("beach", "bus", "cafe/restaurant", "car", "city_center")
SCENES += ("forest_path", "grocery_store", "home", "library", "metro_station")
SCENES += ("office", "park", "residential_area", "train", "tram")


def put(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def make_development(folder: Path, scenes: tuple[str, ...] = SCENES) -> Path:
    """A clip of each scene from each of four places; fold k tests place k."""
    rows = []
    for k, scene in enumerate(scenes):
        for place in range(1, 5):
            name = f"audio/{scene[0]}{k}{place}_0_10.wav"
            write(folder / name, chirp(0.1, 44100).repeat(2).reshape(-1, 2), 44100)
            rows.append((name, scene, f"{scene[0]}{k}{place}", place))
    put(folder / "meta.txt", [f"{name}\t{scene}\t{where}" for name, scene, where, _ in rows])
    for fold in range(1, 5):
        tested = [row for row in rows if row[3] == fold]
        setup = folder / "evaluation_setup"
        put(setup / f"fold{fold}_train.txt", [f"{row[0]}\t{row[1]}" for row in rows if row[3] != fold])
        put(setup / f"fold{fold}_test.txt", [row[0] for row in tested])
        put(setup / f"fold{fold}_evaluate.txt", [f"{row[0]}\t{row[1]}" for row in tested])
    return folder


def make_evaluation(folder: Path, scenes: tuple[str, ...] = SCENES, with_meta: bool = True) -> Path:
    """Two clips of each scene, named by number alone."""
    rows = [(f"audio/{2 * k + i}.wav", scene) for k, scene in enumerate(scenes) for i in range(2)]
    for name, _ in rows:
        write(folder / name, chirp(0.1, 44100), 44100)
    labelled = [f"{name}\t{scene}" for name, scene in rows]
    put(folder / "evaluation_setup" / "test.txt", [name for name, _ in rows])
    put(folder / "evaluation_setup" / "evaluate.txt", labelled)
    if with_meta:
        put(folder / "meta.txt", labelled)
    return folder


@pytest.mark.parametrize("with_meta", [True, False])
def test_trained_on_development_and_tested_on_evaluation(tmp_path: Path, with_meta: bool) -> None:
    make_development(tmp_path / DEVELOPMENT)
    make_evaluation(tmp_path / EVALUATION, with_meta=with_meta)
    table = find_clips(tmp_path)
    assert table == find_clips(tmp_path, "tut2017")
    assert table.clips == find_clips(tmp_path / DEVELOPMENT).clips  # the other set lies beside it
    assert (table.labels, table.folds, table.multi_label, table.notes) == (SCENES, (), False, ())
    parts = split(table)
    assert {clip.path.parts[-3] for clip in parts.test} == {EVALUATION}
    assert {clip.path.parts[-3] for clip in (*parts.train, *parts.valid)} == {DEVELOPMENT}
    assert (len(parts.train) + len(parts.valid), len(parts.test)) == (60, 30)


def test_the_development_set_alone_has_its_four_folds(tmp_path: Path) -> None:
    development = make_development(tmp_path / DEVELOPMENT)
    alone = find_clips(development)
    assert alone.folds == ("1", "2", "3", "4")
    assert {clip.path.stem.split("_")[0][-1] for clip in split(alone, "3").test} == {"3"}
    assert len(split(alone, "3").test) == len(SCENES)
    make_evaluation(tmp_path / EVALUATION)
    assert find_clips(tmp_path).folds == ()
    assert find_clips(tmp_path, "tut2017-folds") == alone


def test_scenes_come_from_the_lists_where_meta_is_not_there(tmp_path: Path) -> None:
    development = make_development(tmp_path / DEVELOPMENT)
    whole = find_clips(development)
    (development / "meta.txt").unlink()
    assert set(find_clips(development).clips) == set(whole.clips)


def test_missing_and_corrupt_clips_are_counted_and_listed(tmp_path: Path) -> None:
    development = make_development(tmp_path / DEVELOPMENT)
    evaluation = make_evaluation(tmp_path / EVALUATION)
    (development / "audio" / "b01_0_10.wav").unlink()
    (evaluation / "audio" / "0.wav").write_bytes(b"")
    table = find_clips(tmp_path)
    assert table.notes == (f"1 of the 90 clips listed are not there (first: {DEVELOPMENT}/audio/b01_0_10.wav)",)
    report = check_clips(table.clips, n_threads=1)
    assert {(path.name, reason) for path, reason in report.left_out} == {
        ("b01_0_10.wav", "no such file"),
        ("0.wav", "empty (0 bytes)"),
    }
    assert len(split(report.usable(table)).test) == 29


def test_lists_that_do_not_agree_are_told(tmp_path: Path) -> None:
    development = make_development(tmp_path)
    setup = development / "evaluation_setup"
    for part in ("test", "evaluate"):
        path = setup / f"fold2_{part}.txt"
        put(path, path.read_text().splitlines()[1:])
    notes = find_clips(development).notes
    assert notes == (
        "fold2_train.txt and the clips that fold 2 does not test differ by 1 clips",
        "1 clips are in no fold's test list, left out (first: audio/b02_0_10.wav)",
    )
    put(setup / "fold2_test.txt", (setup / "fold1_test.txt").read_text().splitlines())
    with pytest.raises(UsageError, match=r"audio/b01_0_10\.wav is tested in fold 1 and in fold 2"):
        find_clips(development)


@pytest.mark.parametrize("row", ["audio/x.wav", "audio/x.wav\t", "audio/x.wav beach"])
def test_a_row_that_says_no_scene(tmp_path: Path, row: str) -> None:
    development = make_development(tmp_path)
    put(development / "meta.txt", ["audio/b01_0_10.wav\tbeach\tb01", row])
    with pytest.raises(UsageError, match=r"meta\.txt, row 2: .*wanted file and scene with a tab between them"):
        find_clips(development)


def test_an_evaluation_set_without_its_scenes(tmp_path: Path) -> None:
    make_development(tmp_path / DEVELOPMENT)
    evaluation = make_evaluation(tmp_path / EVALUATION, with_meta=False)
    (evaluation / "evaluation_setup" / "evaluate.txt").unlink()
    with pytest.raises(UsageError, match=r"neither meta\.txt nor evaluation_setup/evaluate\.txt"):
        find_clips(tmp_path)
