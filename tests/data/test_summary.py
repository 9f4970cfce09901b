"""What `tenuto data` tells."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.sounds import make_folders
from tenuto.cli import main
from tenuto.data import commands
from tenuto.data.archives import PUBLICATIONS
from tenuto.data.sets import LAYOUTS
from tenuto.data.summary import aligned
from tenuto.errors import UsageError


def test_the_layouts() -> None:
    value, text, n_left_out = commands.list_layouts()
    assert [row["layout"] for row in value] == [layout.name for layout in LAYOUTS]
    assert all(line.startswith(row.name) for line, row in zip(text.splitlines(), LAYOUTS, strict=False))
    assert text.splitlines()[len(LAYOUTS) + 1].startswith("tenuto data prepare NAME ROOT knows audioset, esc50")
    assert {row["layout"] for row in value if row["prepare"]} == set(PUBLICATIONS)
    assert n_left_out == 0


def test_a_listing_opens_no_sound_file(tmp_path: Path) -> None:
    make_folders(tmp_path / "animals", {"dog": 3, "cat": 1})
    (tmp_path / "animals" / "dog" / "bad.wav").write_bytes(b"")
    value, text, _ = commands.list_clips(tmp_path / "animals")
    assert value["labels"] == {"cat": 1, "dog": 4}
    assert text.splitlines() == ["animals: 5 clips, 2 classes", "", "class  clips", "cat        1", "dog        4"]


def test_a_check_tells_what_is_there_and_what_cannot_be_used(tmp_path: Path) -> None:
    root = make_folders(tmp_path / "animals", {"dog": 2, "cat": 2}, seconds=1.0)
    (root / "notes.txt").write_text("x")
    for k in range(30):
        (root / "dog" / f"bad{k}.wav").write_bytes(b"")
    value, text, n_left_out = commands.check(root)
    assert n_left_out == len(value["left_out"]) == 30
    assert value["usable_labels"] == {"cat": 2, "dog": 2}
    assert value["seconds"] == pytest.approx({"total": 4.2, "shortest": 1.0, "median": 1.1, "longest": 1.1})
    assert value["sample_rates"] == {16000: 4}
    assert value["left_out"][0] == {"path": "dog/bad0.wav", "reason": "empty (0 bytes)"}
    json.dumps(value)
    for line in (
        "dog       32       2",
        "4 of 34 clips can be used, 0 min 04 s together",
        "left out: 30 (empty x 30)",
        "  and 10 more",
        "note: 1 file ignored, not audio (first: notes.txt)",
        f"fingerprint {value['fingerprint']['sha256'][:16]}",
    ):
        assert line in text.splitlines()


def test_folds_and_splits_are_told(tmp_path: Path) -> None:
    make_folders(tmp_path, {"a": 2, "b": 2})
    rows = "\n".join(f"{label}/0{k}.wav,{label};x,{k},test" for label in "ab" for k in range(2))
    (tmp_path / "clips.csv").write_text(f"path,label,fold,split\n{rows}\n")
    text = commands.list_clips(tmp_path)[1]
    assert "4 clips, 3 classes (several labels a clip)" in text
    assert "folds: 0 x 2, 1 x 2" in text
    assert "split: test x 4" in text


def test_nothing_usable_is_still_told(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.wav").write_bytes(b"")
    value, text, n_left_out = commands.check(tmp_path)
    assert (value["n_usable"], n_left_out) == (0, 1)
    assert "0 of 1 clips can be used" in text


def test_words_to_make_are_two_or_more(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="wanted two words or more"):
        commands.make(tmp_path, "stop", 1, 1, 0, print)


@pytest.mark.parametrize(("option", "name"), [("--train", "n_train"), ("--test", "n_test")])
def test_numbers_of_words_to_make(tmp_path: Path, option: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As many as one likes, one at least."""
    folder = str(tmp_path / "spoken")
    assert main(["data", "make", folder, "--words", "yes,no", option, "0"]) == 2
    assert f"{name} is 0: ask for at least one clip a word" in capsys.readouterr().err
    numbers = {"--train": "1", "--test": "1", option: "3"}
    arguments = [text for pair in numbers.items() for text in pair]
    assert main(["data", "make", folder, "--words", "yes,no", *arguments, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["splits"] == {"train": 2 * int(numbers["--train"]), "test": 2 * int(numbers["--test"])}


def test_columns_line_up() -> None:
    assert aligned([["class", "clips"], ["a", "10"], ["longer", "2"]]) == [
        "class   clips",
        "a          10",
        "longer      2",
    ]
