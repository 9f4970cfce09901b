"""Every sample is heard, an answer depends on its own window alone, and no file stops the night."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import tenuto
from inference.material import LABELS, RATE_HZ, make_model, sound
from tenuto.data.audio import read
from tenuto.errors import UsageError
from tenuto.inference.predict import LONGEST_CLIP_SECONDS, predict
from tenuto.inference.scoring import score_clips
from tenuto.models.checkpoint import save
from tenuto.models.classifier import Classifier

Write = Callable[..., Path]
SAME = {"rtol": 0, "atol": 1e-5}  # float32, other sums in batches of another size


def _heard(model: Classifier, samples: np.ndarray) -> np.ndarray:
    """Scores (class,) of one clip by itself, without `predict`."""
    with torch.no_grad():
        return model.probabilities(model(torch.from_numpy(samples)[None]).logits)[0].numpy()


@pytest.mark.parametrize(
    ("seconds", "window", "hop", "spans"),
    [
        (1.0, 2.0, None, [(0, 1)]),  # a clip shorter than one window
        (2.0, 2.0, None, [(0, 2)]),
        (5.0, 2.0, None, [(0, 2), (2, 4), (4, 5)]),
        (3.0, 2.0, 0.5, [(0, 2), (0.5, 2.5), (1, 3)]),
        (3.2, 2.0, 1.0, [(0, 2), (1, 3), (2, 3.2)]),
        (2.001, 2.0, None, [(0, 2)]),  # a rest of a millisecond is no window
        (LONGEST_CLIP_SECONDS + 1, None, None, [(0, LONGEST_CLIP_SECONDS), (LONGEST_CLIP_SECONDS, 31)]),
    ],
)
def test_windows_cover_a_file(
    model: Classifier, write: Write, seconds: float, window: float | None, hop: float | None, spans: list[object]
) -> None:
    path = write("a.wav", seconds)
    (found,) = predict(model, path, window_seconds=window, hop_seconds=hop).files
    np.testing.assert_allclose(np.stack([found.starts, found.ends], axis=1), np.array(spans, dtype=float))
    assert found.scores.shape == (len(spans), len(LABELS))
    assert found.seconds == pytest.approx(seconds)


def test_a_window_is_answered_as_its_samples_are(real_data: Path, model: Classifier) -> None:
    path = real_data / "esc10" / "audio" / "1-26806-A-1.ogg"  # 44.1 kHz: resampled while it is read
    whole = read(path, RATE_HZ)
    (found,) = predict(model, path, window_seconds=2.0, hop_seconds=1.5, batch_size=2).files
    for start, scores in zip(found.starts, found.scores, strict=True):
        first = round(start * RATE_HZ)
        np.testing.assert_allclose(scores, _heard(model, whole[first : first + 2 * RATE_HZ]), **SAME)


@pytest.mark.parametrize("backbone", ["sbcnn", "test_efficientnet"])  # timm's see padding, where there is any
def test_an_answer_does_not_depend_on_what_else_was_asked(real_data: Path, backbone: str) -> None:
    model = make_model(backbone=backbone)
    files = sorted((real_data / "fsdd" / "recordings").glob("[0-9]_jackson_1*.wav"))[:14]
    together = predict(model, files, batch_size=7).files
    other_way = {file.file: file for file in predict(model, files[::-1], batch_size=3).files}
    assert [file.file for file in together] == [str(path) for path in files]
    assert len({file.ends[0] for file in together}) > 8  # lengths differ: batches mix them
    for file in together:
        (alone,) = predict(model, file.file).files
        np.testing.assert_allclose(file.scores, alone.scores, **SAME)
        np.testing.assert_allclose(file.scores, other_way[file.file].scores, **SAME)
    assert np.std([file.scores[0] for file in together], axis=0).max() > 1e-3  # or the test says nothing


@pytest.mark.parametrize("resolution", ["none", "avgpool", "convavgpool", "changehop"])
def test_every_resolution_predicts(write: Write, resolution: str) -> None:
    model = make_model(resolution)
    paths = [write(f"{i}.wav", 0.5 + 0.11 * i, seed=i) for i in range(4)]
    for path, file in zip(paths, predict(model, paths).files, strict=True):
        np.testing.assert_allclose(file.scores[0], _heard(model, read(path, RATE_HZ)), **SAME)


def test_a_model_of_one_length_hears_short_clips_padded_as_in_training(write: Write) -> None:
    model = make_model(clip_seconds=2.0)
    found = predict(model, [write("short.wav", 0.7), write("long.wav", 3.0)])
    assert found.window_seconds == 2.0
    padded = np.pad(sound(0.7), (0, 2 * RATE_HZ - round(0.7 * RATE_HZ)))
    np.testing.assert_allclose(found.files[0].scores[0], _heard(model, padded), **SAME)
    assert not np.allclose(found.files[0].scores[0], _heard(model, sound(0.7)), **SAME)
    rest = np.pad(sound(3.0)[2 * RATE_HZ :], (0, RATE_HZ))
    np.testing.assert_allclose(found.files[1].scores[1], _heard(model, rest), **SAME)
    assert found.files[1].ends.tolist() == [2.0, 3.0]


def test_a_saved_model_predicts_the_same_and_knows_its_clip_length(write: Write, tmp_path: Path) -> None:
    model = make_model(clip_seconds=1.5)
    save(model, tmp_path / "saved")
    path = write("a.wav", 4.0)
    expected, found = predict(model, path), predict(tmp_path / "saved", path)
    assert (found.window_seconds, found.labels) == (1.5, LABELS)
    np.testing.assert_array_equal(found.files[0].scores, expected.files[0].scores)
    assert tenuto.load(tmp_path / "saved").clip_seconds == 1.5


def bad_files(write: Write) -> dict[str, Path]:
    """One file of each kind that cannot be read, by the word its reason must hold."""
    good = write("good_for_bytes.wav")
    content, folder = good.read_bytes(), good.parent
    nan = sound(1.0)
    nan[5000] = np.nan
    soundfile.write(folder / "nan.wav", nan, RATE_HZ, subtype="FLOAT")
    soundfile.write(folder / "no_samples.wav", np.zeros(0, np.float32), RATE_HZ)
    loud = np.full(RATE_HZ, 1e30, np.float32)
    soundfile.write(folder / "loud.wav", loud, RATE_HZ, subtype="FLOAT")
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("dear diary\n" * 50)
    (folder / "cut_in_its_header.wav").write_bytes(content[:14])
    (folder / "noise.flac").write_bytes(b"fLaC" + bytes(range(256)) * 20)
    good.unlink()
    reasons = {"nan.wav": "NaN", "no_samples.wav": "no samples", "empty.wav": "empty", "text.wav": "not audio"}
    reasons |= {"cut_in_its_header.wav": "corrupt", "noise.flac": "corrupt", "missing.wav": "no such file"}
    return {reason + "|" + name: folder / name for name, reason in reasons.items()} | {
        "finite|loud.wav": folder / "loud.wav"
    }


def test_what_cannot_be_read_is_listed_and_the_rest_is_answered(model: Classifier, write: Write) -> None:
    bad = bad_files(write)
    good = [write("a.wav", 1.0), write("b.wav", 1.3, seed=1)]
    silent = write("silent.wav")
    soundfile.write(silent, np.zeros(RATE_HZ), RATE_HZ)
    night = [good[0], *bad.values(), silent, good[1]]
    found = predict(model, night)
    assert [file.file for file in found.files] == [str(path) for path in (good[0], silent, good[1])]
    assert [item.file for item in found.left_out] == [str(path) for path in bad.values()]
    for item, expected in zip(found.left_out, bad, strict=True):
        assert expected.partition("|")[0] in item.reason
        assert "\n" not in item.reason
    for path, file in zip(good, (found.files[0], found.files[2]), strict=True):
        np.testing.assert_allclose(file.scores[0], _heard(model, read(path, RATE_HZ)), **SAME)


def test_what_was_heard_before_a_fault_is_kept_and_said(model: Classifier, tmp_path: Path) -> None:
    samples = sound(40, 8000)
    samples[39 * 8000] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    found = predict(model, tmp_path / "a.wav", window_seconds=5)
    assert found.files[0].ends.tolist() == [5.0, 10.0, 15.0, 20.0, 25.0, 30.0]
    assert "NaN" in found.left_out[0].reason
    assert found.left_out[0].reason.endswith("the 6 windows before it are answered")
    (left_out,) = predict(model, tmp_path / "a.wav", window_seconds=30).left_out
    assert left_out.reason.endswith("the window before it is answered")


@pytest.mark.parametrize("seconds", [0.8, 3.4])
def test_a_recording_that_was_cut_off_is_answered_and_named(model: Classifier, write: Write, seconds: float) -> None:
    path = write("a.wav", 4.0)
    path.write_bytes(path.read_bytes()[: -4 * round((4 - seconds) * RATE_HZ)])  # float samples
    found = predict(model, path, window_seconds=2)
    assert found.files[0].ends[-1] == pytest.approx(seconds)
    (left_out,) = found.left_out
    assert left_out.reason.startswith(f"cut off (its header announces 4.00 s, {seconds:.2f} s are there); the ")


def test_memory_does_not_grow_with_the_recording(model: Classifier, tmp_path: Path) -> None:
    n_bytes = {}
    for minutes in (1, 6):
        path = tmp_path / f"{minutes}.wav"
        soundfile.write(path, sound(60 * minutes), RATE_HZ, subtype="PCM_16")
        tracemalloc.start()  # sees what NumPy holds: what is read, resampled and cut
        predict(model, path, window_seconds=5.0, batch_size=4)
        n_bytes[minutes] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert n_bytes[6] < 1.2 * n_bytes[1]
    assert n_bytes[6] < 360 * RATE_HZ * 4  # the recording itself, in float32


def test_the_model_is_left_in_the_mode_it_was_in(write: Write) -> None:
    model = make_model()
    path = write("a.wav")
    expected = predict(model, path).files[0].scores
    found = predict(model.train(), path).files[0].scores
    assert model.training
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"window_seconds": 0}, "window of 0 s"),
        ({"window_seconds": 1.0, "hop_seconds": 2.0}, "sound would be skipped"),
        ({"hop_seconds": -1.0}, "hop of -1.0 s"),
        ({"window_seconds": float("inf")}, "window of inf s"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(
    model: Classifier, write: Write, options: dict[str, float], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        predict(model, write("a.wav"), **options)  # type: ignore[arg-type]


def test_clips_of_one_kept_length_are_scored_in_one_batch(model: Classifier) -> None:
    clips = [torch.from_numpy(sound(seconds, seed=i)) for i, seconds in enumerate((1.0, 1.005, 1.01))]
    assert len({int(model.frontend.kept(len(clip))) for clip in clips}) == 1
    for clip, scores in zip(clips, score_clips(model, clips), strict=True):
        np.testing.assert_allclose(scores, _heard(model, clip.numpy()), **SAME)
