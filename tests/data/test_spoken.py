from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data.sounds import make_folders
from tenuto.data import spoken
from tenuto.data.spoken import make_spoken_commands, render
from tenuto.data.utterances import SpokenSettings, Utterance, plan
from tenuto.errors import UsageError


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spoken")
    make_spoken_commands(folder, ("yes", "stop"), n_train=6, n_test=3)
    return folder


def test_files_and_table_agree(small_set: Path) -> None:
    with (small_set / "clips.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(spoken.COLUMNS)
    assert Counter((row["label"], row["split"]) for row in rows) == {
        (word, split): n for word in ("yes", "stop") for split, n in (("train", 6), ("test", 3))
    }
    assert {row["path"] for row in rows} == {str(p.relative_to(small_set)) for p in small_set.rglob("*.wav")}
    for row in rows:
        samples, sample_rate = soundfile.read(small_set / row["path"], dtype="float32")
        assert soundfile.info(small_set / row["path"]).subtype == "PCM_16"
        assert (sample_rate, samples.shape) == (16000, (16000,))
        assert 0.09 < np.abs(samples).max() < 0.9  # neither silent nor clipped: -20 to -1 dB


def test_a_second_call_writes_nothing_and_an_interrupted_one_goes_on(tmp_path: Path, small_set: Path) -> None:
    calls: list[tuple[int, int]] = []

    def interrupt(done: int, n_clips: int) -> None:
        calls.append((done, n_clips))
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_spoken_commands(tmp_path, ("yes", "stop"), n_train=6, n_test=3, progress=interrupt)
    assert not (tmp_path / "clips.csv").exists()
    make_spoken_commands(tmp_path, ("yes", "stop"), n_train=6, n_test=3, progress=interrupt)
    assert calls == [(k, 18) for k in range(1, 19)]
    assert _digests(tmp_path) == _digests(small_set)

    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    table = make_spoken_commands(tmp_path, ("yes", "stop"), n_train=6, n_test=3, progress=interrupt)
    assert table == tmp_path / "clips.csv"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert len(calls) == 18


def test_a_clip_depends_on_its_own_number_alone() -> None:
    few = plan(SpokenSettings(("yes", "stop"), n_train=2, n_test=1))
    many = plan(SpokenSettings(("go", "stop", "yes"), n_train=5, n_test=2))
    assert set(few) <= set(many)
    assert not set(few) & set(plan(SpokenSettings(("yes", "stop"), n_train=2, n_test=1, seed=1)))
    backwards = [render(utterance) for utterance in reversed(few)][::-1]
    for utterance, clip in zip(few, backwards, strict=True):
        np.testing.assert_array_equal(render(utterance), clip)


def test_the_word_is_anywhere_in_the_clip_and_louder_than_the_noise() -> None:
    starts = []
    for k in range(12):
        clip = render(Utterance("", "stop", "train", "en-us+m1", 170, 50, seed=k))
        power = np.convolve(clip**2, np.ones(800) / 800, "valid")  # over 50 ms
        assert power.max() > 10 * np.percentile(power, 5)
        starts.append(int(np.argmax(power > 0.2 * power.max())))
    assert min(starts) < 4000
    assert max(starts) > 6000


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_noise_has_its_colour_and_power_one(exponent: float) -> None:
    noise = spoken.coloured_noise(2**17, exponent, np.random.default_rng(0))
    assert np.mean(noise**2) == pytest.approx(1, rel=1e-4)
    power = np.abs(np.fft.rfft(noise)) ** 2
    hz = np.fft.rfftfreq(len(noise), 1 / 16000)
    octave_400, octave_3200 = (power[(hz > low) & (hz < 2 * low)].mean() for low in (400, 3200))
    assert np.log2(octave_400 / octave_3200) / 3 == pytest.approx(exponent, abs=0.1)


@pytest.mark.parametrize("word", ["", "  ", "!?", "-", "日本", "go;stop", "a/b", "..", "🙂"])
def test_a_word_that_cannot_be_said_is_refused_in_one_line(word: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^cannot say [^\n]*$"):
        make_spoken_commands(tmp_path / "new", ("yes", word))
    assert not (tmp_path / "new").exists()


def test_words_with_spaces_accents_and_digits_are_said(tmp_path: Path) -> None:
    make_spoken_commands(tmp_path, ("turn  on", "café", "42", "don't"), n_train=1, n_test=1)
    with (tmp_path / "clips.csv").open(newline="", encoding="utf-8") as file:
        assert {row["label"] for row in csv.DictReader(file)} == {"turn on", "café", "42", "don't"}


def test_other_bad_calls_are_refused_in_one_line(tmp_path: Path, small_set: Path) -> None:
    with pytest.raises(UsageError, match="too long for clips of 1 s"):
        make_spoken_commands(tmp_path / "new", ("yes", "a rather long sentence that nobody would call a command"))
    with pytest.raises(UsageError, match="made with other settings"):
        make_spoken_commands(small_set, ("yes", "go"))
    (tmp_path / "clips.csv").write_text("path,label\n")
    with pytest.raises(UsageError, match=r"holds other things \(clips\.csv\) and no spoken commands: name an empty"):
        make_spoken_commands(tmp_path)
    with pytest.raises(UsageError, match="is a file"):
        make_spoken_commands(tmp_path / "clips.csv")


def test_a_folder_of_ones_own_recordings_stays_as_it_is(tmp_path: Path) -> None:
    make_folders(tmp_path, {"dog": 1, "cat": 1})
    before = _digests(tmp_path)
    with pytest.raises(UsageError, match=r"holds other things \(cat\) and no spoken commands: name an empty folder"):
        make_spoken_commands(tmp_path, ("yes", "stop"), n_train=1, n_test=1)
    assert _digests(tmp_path) == before


def test_hidden_and_unfinished_files_are_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*\n")
    (tmp_path / "spoken.json.17.part").write_text("{")
    assert make_spoken_commands(tmp_path, ("yes", "stop"), n_train=1, n_test=1).exists()
