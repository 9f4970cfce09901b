"""UrbanSound8K in a small folder laid out as it is published."""

from __future__ import annotations

from pathlib import Path

from data.sounds import chirp, write
from tenuto.data.check import check_clips
from tenuto.data.sets import find_clips
from tenuto.data.splits import split

CLASSES = ("air_conditioner", "car_horn", "children_playing", "dog_bark", "drilling", "engine_idling", "gun_shot")
CLASSES += ("jackhammer", "siren", "street_music")


def make_urbansound8k(root: Path) -> Path:
    """Ten folds of a clip of each of the ten classes, in stereo at the rate of their recordings."""
    lines = ["slice_file_name,fsID,start,end,salience,fold,classID,class"]
    for fold in range(1, 11):
        for k, name in enumerate(CLASSES):
            file = f"{1000 * fold + k}-{k}-0-0.wav"
            samples = chirp(0.1 + 0.01 * k, 44100 if fold % 2 else 48000)
            write(root / "audio" / f"fold{fold}" / file, samples.repeat(2).reshape(-1, 2), 44100)
            lines.append(f"{file},{1000 * fold + k},0.0,0.317551,1,{fold},{k},{name}")
    (root / "metadata").mkdir()
    (root / "metadata" / "UrbanSound8K.csv").write_text("\n".join(lines) + "\n")
    (root / "audio" / "fold1" / ".DS_Store").write_bytes(b"as published")
    return root


def test_its_ten_folds_are_the_publishers(tmp_path: Path) -> None:
    table = find_clips(make_urbansound8k(tmp_path / "UrbanSound8K"))
    assert table == find_clips(tmp_path / "UrbanSound8K", "urbansound8k")
    assert (table.name, table.labels, table.multi_label) == ("UrbanSound8K", CLASSES, False)
    assert table.folds == tuple(str(fold) for fold in range(1, 11))
    assert table.notes == ()
    for fold in table.folds:
        parts = split(table, fold)
        assert {table.shown(clip.path).split("/")[1] for clip in parts.test} == {f"fold{fold}"}
        assert not {clip.fold for clip in (*parts.train, *parts.valid)} & {fold}


def test_missing_and_corrupt_clips_are_counted_and_listed(tmp_path: Path) -> None:
    root = make_urbansound8k(tmp_path)
    (root / "audio" / "fold3" / "3002-2-0-0.wav").unlink()
    (root / "audio" / "fold4" / "4001-1-0-0.wav").write_bytes(b"RIFF, cut short")
    table = find_clips(root)
    assert table.notes == ("1 of the 100 clips listed are not there (first: audio/fold3/3002-2-0-0.wav)",)
    report = check_clips(table.clips, n_threads=1)
    assert {table.shown(path) for path, _ in report.left_out} == {
        "audio/fold3/3002-2-0-0.wav",
        "audio/fold4/4001-1-0-0.wav",
    }
    assert set(report.n_per_reason) == {"no such file", "corrupt, or not what its header says"}
    assert len(split(report.usable(table), "3").test) == 9


def test_folders_of_folds_that_were_never_unpacked(tmp_path: Path) -> None:
    root = make_urbansound8k(tmp_path)
    (root / "audio").rename(root / "elsewhere")
    first = "audio/fold1/1000-0-0-0.wav"
    assert find_clips(root).notes == (f"100 of the 100 clips listed are not there (first: {first})",)
