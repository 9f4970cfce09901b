"""FSD50K in a small folder laid out as it is published."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.sounds import chirp, write
from tenuto.data.check import check_clips
from tenuto.data.sets import find_clips
from tenuto.data.splits import split
from tenuto.errors import UsageError

VOCABULARY = {"Acoustic_guitar": "/m/042v_gx", "Guitar": "/m/0342h", "Music": "/m/04rlf", "Water": "/m/0838f"}
DEV = {  # name: (labels, split), as in the published table
    "64760": ("Acoustic_guitar,Guitar,Music", "train"),
    "16399": ("Guitar,Music", "train"),
    "345111": ("Guitar,Music", "val"),
    "160826": ("Water", "train"),
    "64761": ("Water", "val"),
}
EVAL = {"37199": "Acoustic_guitar,Guitar,Music", "175151": "Water"}


def make_fsd50k(root: Path) -> Path:
    truth = root / "FSD50K.ground_truth"
    truth.mkdir(parents=True)
    mids = {name: ",".join(VOCABULARY[label] for label in labels.split(",")) for name, (labels, _) in DEV.items()}
    rows = [f'{name},"{labels}","{mids[name]}",{part}' for name, (labels, part) in DEV.items()]
    (truth / "dev.csv").write_text("\n".join(["fname,labels,mids,split", *rows]) + "\n")
    rows = [f'{name},"{labels}","x"' for name, labels in EVAL.items()]
    (truth / "eval.csv").write_text("\n".join(["fname,labels,mids", *rows]) + "\n")
    rows = [f"{k},{label},{mid}" for k, (label, mid) in enumerate(VOCABULARY.items())]
    (truth / "vocabulary.csv").write_text("\n".join(rows) + "\n")
    for k, name in enumerate(DEV):
        write(root / "FSD50K.dev_audio" / f"{name}.wav", chirp(0.3 + 0.2 * k, 44100), 44100)
    for name in EVAL:
        write(root / "FSD50K.eval_audio" / f"{name}.wav", chirp(0.3, 44100), 44100)
    return root


def test_its_own_column_decides_what_validates(tmp_path: Path) -> None:
    table = find_clips(make_fsd50k(tmp_path / "FSD50K"))
    assert table == find_clips(tmp_path / "FSD50K", "fsd50k")
    assert (table.labels, table.multi_label, table.notes) == (tuple(VOCABULARY), True, ())
    assert table.clips[0].labels == ("Acoustic_guitar", "Guitar", "Music")
    parts = split(table, valid_share=0.5)
    assert {clip.path.stem for clip in parts.valid} == {"345111", "64761"}
    assert {clip.path.stem for clip in parts.train} == {"64760", "16399", "160826"}
    assert {table.shown(clip.path) for clip in parts.test} == {f"FSD50K.eval_audio/{name}.wav" for name in EVAL}


def test_missing_and_corrupt_clips_are_counted_and_listed(tmp_path: Path) -> None:
    root = make_fsd50k(tmp_path)
    (root / "FSD50K.eval_audio" / "175151.wav").unlink()
    sound = root / "FSD50K.dev_audio" / "16399.wav"
    sound.write_bytes(sound.read_bytes()[:30])
    table = find_clips(root)
    assert table.notes == ("1 of the 7 clips listed are not there (first: FSD50K.eval_audio/175151.wav)",)
    report = check_clips(table.clips, n_threads=1)
    assert {path.stem for path, _ in report.left_out} == {"175151", "16399"}
    assert len(split(report.usable(table)).test) == 1


@pytest.mark.parametrize(
    ("table", "old", "new", "message"),
    [
        ("dev.csv", "Water", "Wine", r"dev\.csv: 160826 has the label 'Wine', which vocabulary\.csv has not"),
        ("dev.csv", ",val", ",test", r"345111 has the split 'test'; wanted train or val"),
        ("eval.csv", "fname", "name", r"eval\.csv: no column fname"),
        ("vocabulary.csv", "1,Guitar,", "1,Guitar", r"vocabulary\.csv: wanted a row of index, class, identifier"),
        ("vocabulary.csv", "1,Guitar", "1,Music", r"vocabulary\.csv: wanted .* each class once"),
    ],
)
def test_tables_that_contradict_themselves(tmp_path: Path, table: str, old: str, new: str, message: str) -> None:
    path = make_fsd50k(tmp_path) / "FSD50K.ground_truth" / table
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UsageError, match=message):
        find_clips(tmp_path)
