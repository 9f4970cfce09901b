"""CSV files: what is understood, and one line that names row and column where they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenuto.data.tables import part_of, read_clip_csv
from tenuto.errors import UsageError


def csv_of(folder: Path, text: str, name: str = "clips.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_columns_by_their_other_names_in_any_order_and_case(tmp_path: Path) -> None:
    table = read_clip_csv(csv_of(tmp_path, "Fold, Category ,speaker,FILENAME\n1,dog,x,a.wav\n2,cat,y,b.wav\n"))
    assert [(clip.path.name, clip.labels, clip.fold) for clip in table.clips] == [
        ("a.wav", ("dog",), "1"),
        ("b.wav", ("cat",), "2"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf8_with_and_without_its_mark(tmp_path: Path, encoding: str) -> None:
    path = csv_of(tmp_path, "path,label\r\nä.wav,Vögel\r\nb.wav,x\r\n", encoding=encoding)
    assert read_clip_csv(path).labels == ("Vögel", "x")


def test_tabs(tmp_path: Path) -> None:
    table = read_clip_csv(csv_of(tmp_path, "path\tlabel\na.wav\tdog, big\nb.wav\tcat\n", "my.tsv"))
    assert table.labels == ("cat", "dog, big")


def test_several_labels_and_none(tmp_path: Path) -> None:
    table = read_clip_csv(csv_of(tmp_path, 'path,labels\na.wav,dog; rain\nb.wav,\nc.wav,"dog;dog"\nd.wav,"a, b"\n'))
    assert table.multi_label
    assert [clip.labels for clip in table.clips] == [("dog", "rain"), (), ("dog",), ("a, b",)]


def test_splits_as_people_call_them(tmp_path: Path) -> None:
    table = read_clip_csv(csv_of(tmp_path, "path,label,split\na,x,Training\nb,x,val\nc,x,eval\n"))
    assert [clip.split for clip in table.clips] == ["train", "valid", "test"]
    assert part_of("fold1") is None


def test_empty_columns_are_no_columns(tmp_path: Path) -> None:
    table = read_clip_csv(csv_of(tmp_path, "path,label,fold,split\na,x,,\nb,y,,\n\n"))
    assert [(clip.fold, clip.split) for clip in table.clips] == [(None, None)] * 2


def test_repeated_rows_are_taken_once_with_a_note(tmp_path: Path) -> None:
    table = read_clip_csv(csv_of(tmp_path, "path,label\na,x\nb,y\na,x\n"))
    assert len(table.clips) == 2
    assert table.notes == ("1 repeated rows of clips.csv taken once",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,fold\na,1\n", "no column label or labels or category or class; it has path, fold; wanted path, label"),
        ("name,label\na,1\n", "no column path or file or filename; it has name, label; wanted path, label"),
        ("", "empty; wanted a first line with the columns path, label"),
        ("path,label\n", "no clip in it"),
        ("path,label\na,x\nb\n", "row 3: 1 cells for 2 columns"),
        ("path,label\na,x,y\n", "row 2: 3 cells for 2 columns"),
        ("path,label\n,x\n", "row 2: empty path"),
        ("path,label\na,x\nb\0.wav,x\n", "row 3: a NUL character in it, which no path can hold: take it out"),
        ("path,label\na,x\nb,\n", "row 3: empty label for b"),
        ("path,label,split\na,x,holdout\n", "row 2: split 'holdout'; wanted train, valid or test"),
        ("path,label,fold\na,x,1\na,x,2\n", "a is listed twice"),
        ("path,label\na,x\na,y\n", "a is listed twice .label x; label y.: list each file once, several labels"),
        ("path,label,fold\na,x,1\nb,y,\n", "1 of 2 clips have no fold"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_clip_csv(csv_of(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_what_is_no_csv(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    path.write_bytes(b"path,label\n\xff\xfe\xfa,x\n")
    with pytest.raises(UsageError, match="not UTF-8 text"):
        read_clip_csv(path)
    with pytest.raises(UsageError, match="cannot be read as CSV"):
        read_clip_csv(tmp_path)
