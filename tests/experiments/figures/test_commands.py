"""Each figure drawn from the command line, small; what has no use or is not there is refused in one line."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
import soundfile

from inference.material import LABELS, RATE_HZ, sound
from tenuto.cli import main
from tenuto.experiments.figures.registry import FIGURES

Capture = pytest.CaptureFixture[str]


def ink(path: Path) -> float:
    """How much of a picture is not white: 0 to 1."""
    pixels = matplotlib.image.imread(path)[..., :3]
    return float((pixels.min(axis=-1) < 0.9).mean())


def drawn(capsys: Capture, *words: object) -> dict[str, Any]:
    """What `reproduce WORDS --json` prints."""
    assert main(["reproduce", *map(str, words), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert isinstance(value, dict)
    assert value["figure"] == words[0]
    return value


def write_predictions(folder: Path, scores: list[tuple[float, float]]) -> Path:
    """A run folder with answers on clips of two classes alone."""
    folder.mkdir()
    with (folder / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "predicted", "kept_frames", "score:cat", "score:dog"])
        for i, (cat, dog) in enumerate(scores):
            writer.writerow([f"{i}.wav", ("cat", "dog")[i % 2], "cat" if cat > dog else "dog", 25, cat, dog])
    return folder


def test_figure_1_is_a_spectrogram_at_two_hops(clips: Path, tmp_path: Path, capsys: Capture) -> None:
    value = drawn(capsys, "figure1", "--data", f"mine={clips}", "--classes", "rain,dog", "--out", tmp_path / "a.png")
    assert value["hops_ms"] == [40, 10]
    assert value["clips"] == [str(clips / label / "0.wav") for label in ("rain", "dog")]
    assert value["written"] == [str(tmp_path / "a.png")]
    assert ink(tmp_path / "a.png") > 0.4


def test_figure_4_is_a_picture_a_clip(clips: Path, runs: Path, tmp_path: Path, capsys: Capture) -> None:
    call = ("figure4", "--run", runs / "diffres", "--data", f"mine={clips}", "--classes", "sea waves,dog")
    value = drawn(capsys, *call, "--out", tmp_path)
    names = ["figure4_1_sea_waves.png", "figure4_2_dog.png"]
    assert [Path(path).name for path in value["written"]] == names
    assert [(each["label"], each["frames"]) for each in value["clips"]] == [("sea waves", 50), ("dog", 50)]
    assert all(each["kept"] in (12, 13) for each in value["clips"])
    assert set(value["clips"][0]["scores"]) == set(LABELS)
    assert min(ink(tmp_path / name) for name in names) > 0.3


def test_files_of_one_name_do_not_overwrite_each_other(clips: Path, runs: Path, tmp_path: Path) -> None:
    files = [str(clips / label / "0.wav") for label in ("dog", "rain")]
    assert (
        main(["reproduce", "figure4", "--run", str(runs / "diffres"), "--files", *files, "--out", str(tmp_path)]) == 0
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure4_1_0.png", "figure4_2_0.png"]


def test_figure_9_shows_two_runs_in_whichever_order(clips: Path, runs: Path, tmp_path: Path, capsys: Capture) -> None:
    call = ("figure9", "--run", runs / "convavgpool", runs / "diffres", "--files", clips / "dog" / "0.wav")
    value = drawn(capsys, *call, "--out", tmp_path / "a.png")
    (row,) = value["clips"]
    assert row["kept"].keys() == {"DiffRes", "ConvAvgPool"}
    assert row["frames"] == 50
    assert ink(tmp_path / "a.png") > 0.4


def test_figure_10_of_two_runs_is_what_compare_says(tmp_path: Path, capsys: Capture) -> None:
    first = write_predictions(tmp_path / "hop40", [(0.4, 0.6), (0.1, 0.9)] * 4)
    second = write_predictions(tmp_path / "hop10", [(0.8, 0.2), (0.1, 0.9)] * 4)
    value = drawn(capsys, "figure10", "--run", first, second, "--out", tmp_path / "a.png")
    assert {row["name"]: row["change"] for row in value["classes"]} == {"cat": 1.0, "dog": 0.0}
    assert value["written"] == [str(tmp_path / "a.png")]
    assert ink(tmp_path / "a.png") > 0.01


def test_figure_11_is_of_any_importance(tmp_path: Path, capsys: Capture) -> None:
    value = drawn(capsys, "figure11", "--importance", "0.5,0.5,1", "--out", tmp_path / "a.svg")
    assert value["warp_matrix"] == [[0.5, 0.5, 0], [0, 0, 1]]
    assert "<svg" in (tmp_path / "a.svg").read_text()[:500]


@pytest.mark.parametrize("name", ["figure12", "figure13"])
def test_figures_12_and_13_are_several_clips(
    name: str, clips: Path, runs: Path, tmp_path: Path, capsys: Capture
) -> None:
    value = drawn(capsys, name, "--run", runs / "diffres", "--data", f"mine={clips}", "--out", tmp_path)
    assert [each["label"] for each in value["clips"]] == sorted(LABELS)
    assert value["written"] == [str(tmp_path / f"{name}.png")]
    assert ink(tmp_path / f"{name}.png") > 0.3


def test_a_real_clip_of_a_published_set(real_data: Path, runs: Path, tmp_path: Path, capsys: Capture) -> None:
    data = f"esc10={real_data / 'esc10'}"
    value = drawn(capsys, "figure1", "--data", data, "--classes", "clock_tick,sea_waves", "--out", tmp_path / "1.png")
    assert len(value["clips"]) == 2
    value = drawn(capsys, "figure12", "--run", runs / "diffres", "--data", data, "--out", tmp_path / "12.png")
    assert len({each["label"] for each in value["clips"]}) == 6
    assert all(0.2 < each["kept"] / each["frames"] < 0.3 for each in value["clips"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["figure1"], "figure1 has no clips to show"),
        (["figure1", "--files", "gone.wav"], "gone.wav: no such file"),
        (["figure1", "--files", "gone.wav", "--hops", "0.1,10"], "--hops 0.1,10: wanted milliseconds from 0.5 to 500"),
        (["figure1", "--hops", "ten"], "--hops 'ten': wanted numbers with commas between them"),
        (["figure1", "--out", "a.bmp"], "a.bmp: wanted a name that ends in one of .png, .svg, .pdf"),
        (["figure1", "--seeds", "0"], "figure1 has no use for --seeds: it takes --files, --data, --classes, --limit"),
        (["figure1", "--hops", "1,2,3,4,5,6,7,8,9"], "9 hops: figure1 has room for 8"),
        (["figure11", "training.epochs=3"], "figure11 has no use for training.epochs=3"),
        (["figure11", "--importance", "0.5,nan"], "--importance '0.5,nan': wanted numbers"),
        (["figure11", "--importance", "0.5,0.7"], "importance 0.5,0.7 sums to 1.2: wanted numbers above 0"),
        (["figure11", "--importance", ",".join(["1"] * 30)], "importance of 30 frames: at most 20"),
        (["figure10", "--run", "a"], "figure10 --run names 1 runs: wanted two"),
        (["table1", "--classes", "dog"], "table1 has no use for --classes: it is for figure1, figure4, figure9"),
    ],
)
def test_refusals_are_one_line(words: list[str], message: str, capsys: Capture) -> None:
    assert main(["reproduce", *words]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_a_file_that_is_no_sound_fails_in_one_line(runs: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF of nothing")
    for words in (["figure1"], ["figure4", "--run", str(runs / "diffres")]):
        call = ["reproduce", *words, "--files", str(tmp_path / "a.wav"), "--out", str(tmp_path / "a.png")]
        assert main(call) == 1
        told = capsys.readouterr().err
        assert "a.wav" in told
        assert told.count("\n") == 1
    assert not (tmp_path / "a.png").exists()


def test_one_clip_and_many_have_their_room(clips: Path, runs: Path, tmp_path: Path) -> None:
    call = ["reproduce", "figure12", "--run", str(runs / "diffres"), "--out", str(tmp_path / "a.png"), "--files"]
    assert main([*call, str(clips / "dog" / "0.wav")]) == 0
    one = matplotlib.image.imread(tmp_path / "a.png").shape[0]
    assert main([*call, *[str(clips / "dog" / "0.wav")] * 5]) == 0
    assert matplotlib.image.imread(tmp_path / "a.png").shape[0] == pytest.approx(3 * one, abs=3)
    assert main([*call, *[str(clips / "dog" / "0.wav")] * 41]) == 2


def test_a_figure_as_a_process(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", sound(0.5), RATE_HZ)
    call = [sys.executable, "-m", "tenuto.cli", "reproduce", "figure1", "--files", "a.wav"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("wrote figure1.png\n")
    assert (tmp_path / "figure1.png").stat().st_size > 5000


def test_help_lists_every_table_and_figure_and_needs_no_torch() -> None:
    script = "import sys; from tenuto.cli import main\ntry: main(['reproduce', '-h'])\n"
    script += "except SystemExit: pass\nprint('torch' in sys.modules or 'matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    listed = [line.split()[0] for line in done.stdout.partition("experiments:")[2].splitlines()[1:-1]]
    assert listed[:3] == ["table1", "table2", "table3"]
    figures = [name for name in listed if name.startswith("figure")]
    assert figures == [f"figure{i}" for i in (1, *range(4, 14))]
    assert FIGURES.keys() < set(figures)
    assert done.stdout.endswith("False\n")
