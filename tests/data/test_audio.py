"""Reading: every format, every rate, every way that a file can be bad."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data.sounds import FORMATS, chirp, write, write_float
from tenuto.data import audio
from tenuto.data.audio import AudioError
from tenuto.errors import UsageError

LOSSY = {"ogg": 0.1, "opus": 0.2, "mp3": 0.2}  # half of full scale goes in; encoders differ at the very start
EXACT = 1e-4  # 16-bit steps are 3e-5


@pytest.mark.parametrize("ending", FORMATS)
def test_each_format_is_read(tmp_path: Path, ending: str) -> None:
    signal = chirp(2.0)
    samples = audio.read(write(tmp_path / f"a.{ending}", signal), 16000)
    assert samples.dtype == np.float32
    assert samples.shape == signal.shape
    middle = slice(4000, 28000)
    assert np.abs(samples - signal)[middle].max() < LOSSY.get(ending, EXACT)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(("sample_rate", "length"), [(16000, 20.0), (22050, 20.0), (8000, 40.0)])
def test_a_part_equals_the_same_samples_of_the_whole(
    tmp_path: Path, ending: str, sample_rate: int, length: float
) -> None:
    path = write(tmp_path / f"a.{ending}", chirp(length))
    whole = audio.read(path, sample_rate)
    for start, seconds in [(0.0, 1.0), (0.031, 0.2), (4.3, 2.5), (6.3, 1.0), (length - 0.5, 3.0)]:
        part = audio.read(path, sample_rate, start, seconds)
        first = int(start * sample_rate + 0.5)
        wanted = whole[first : first + round(seconds * sample_rate)]
        np.testing.assert_allclose(part, wanted, atol=1e-4)


@pytest.mark.parametrize("ending", FORMATS)
def test_windows_of_a_recording_are_its_parts(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"a.{ending}", chirp(10.3))
    whole = audio.read(path, 8000)
    windows = list(audio.blocks(path, 8000, window_seconds=2.0, hop_seconds=1.5))
    assert [start for start, _ in windows] == pytest.approx([0, 1.5, 3, 4.5, 6, 7.5, 9])
    for start, window in windows:
        first = round(start * 8000)
        np.testing.assert_allclose(window, whole[first : first + 16000], atol=1e-3)
    assert len(windows[-1][1]) == len(whole) - 72000


@pytest.mark.parametrize(
    ("seconds", "starts"), [(1.0, [0]), (2.0, [0]), (2.5, [0, 1]), (3.0, [0, 1]), (3.1, [0, 1, 2])]
)
def test_windows_end_with_the_recording(tmp_path: Path, seconds: float, starts: list[float]) -> None:
    path = write(tmp_path / "a.wav", chirp(seconds))
    assert [start for start, _ in audio.blocks(path, 16000, 2.0, 1.0)] == starts


def test_windows_further_apart_than_long(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", chirp(5.0))
    windows = list(audio.blocks(path, 16000, 0.5, 2.0))
    assert [(start, len(window)) for start, window in windows] == [(0, 8000), (2, 8000), (4, 8000)]
    with pytest.raises(UsageError, match="must be positive"):
        next(audio.blocks(path, 16000, 0.0))


@pytest.mark.parametrize("native_rate", [8000, 11025, 22050, 44100, 48000, 96000])
def test_resampling_keeps_the_sound_and_its_length(tmp_path: Path, native_rate: int) -> None:
    signal = chirp(2.0, native_rate)
    samples = audio.read(write(tmp_path / "a.wav", signal, native_rate), 16000)
    assert len(samples) == audio.n_resampled(len(signal), native_rate, 16000) == 32000
    np.testing.assert_allclose(samples[800:-800], chirp(2.0)[800:-800], atol=2e-3)


@pytest.mark.parametrize("n_channels", [2, 5])
def test_channels_become_their_mean(tmp_path: Path, n_channels: int) -> None:
    signal = chirp(0.5)
    path = write(tmp_path / "a.wav", np.stack([signal * k / n_channels for k in range(n_channels)], axis=1))
    mean = sum(range(n_channels)) / n_channels**2
    np.testing.assert_allclose(audio.read(path, 16000), signal * mean, atol=EXACT)
    assert audio.facts(path).n_channels == n_channels


def test_one_sample_is_a_sound(tmp_path: Path) -> None:
    path = write_float(tmp_path / "a.wav", [0.25], 48000)
    assert audio.read(path, 48000) == pytest.approx([0.25])
    assert audio.read(path, 8000).shape == (1,)


@pytest.mark.parametrize(("content", "name"), [("flac", "a.wav"), ("mp3", "b.flac"), ("wav", "c.mp3"), ("opus", "d.x")])
def test_the_content_decides_and_not_the_name(tmp_path: Path, content: str, name: str) -> None:
    path = write(tmp_path / name, chirp(1.0), format=content)
    assert audio.read(path, 16000).shape == (16000,)


def test_an_mp3_whose_header_announces_too_much_is_counted_by_decoding(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp3", chirp(10.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    announced = soundfile.info(path).frames
    decoded = len(audio.read(path, 16000))
    assert decoded < announced == 160000
    assert audio.facts(path).n_samples == audio.scan(path).n_samples == decoded
    with pytest.raises(AudioError, match="ends before 9 s"):
        audio.read(path, 16000, start_seconds=9.0)


def test_a_variable_bit_rate_mp3_is_not_entered_by_seeking(tmp_path: Path) -> None:
    """Seeking is what goes wrong here: the test shows both that it does and that `read` does not do it."""
    path = write(tmp_path / "a.mp3", chirp(30.0, 48000), 48000)
    whole, _ = soundfile.read(path, dtype="float32")
    with soundfile.SoundFile(path) as sound:
        sound.seek(960000)
        sought = sound.read(4800, dtype="float32")
    assert np.abs(sought - whole[960000:964800]).max() > 0.1
    np.testing.assert_allclose(audio.read(path, 48000), whole, atol=1e-6)
    np.testing.assert_allclose(audio.read(path, 48000, 20.0, 0.1), whole[960000:964800], atol=1e-6)


@pytest.mark.parametrize("announced", [0xFFFFFFFF, 0x7FFFFFF0])
def test_a_wav_from_a_pipe_announces_any_length(tmp_path: Path, announced: int) -> None:
    path = write(tmp_path / "a.wav", chirp(1.0))
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", announced)
    path.write_bytes(content)
    assert audio.read(path, 16000).shape == (16000,)
    assert audio.facts(path).n_samples == 16000


def test_scan_tells_peak_and_length(tmp_path: Path) -> None:
    facts = audio.scan(write(tmp_path / "a.flac", chirp(2.0, 22050), 22050))
    assert (facts.sample_rate, facts.n_channels, facts.format) == (22050, 1, "FLAC")
    assert facts.seconds == 2.0
    assert facts.peak == pytest.approx(0.5, abs=0.01)
    assert audio.duration_seconds(tmp_path / "a.flac") == 2.0


def bad_file(folder: Path, kind: str) -> Path:
    """A file that cannot be read, of each kind."""
    path = folder / f"{kind.replace(' ', '_')}.wav"
    sound = write(folder / "sound.wav", chirp(1.0)).read_bytes()
    flac = write(folder / "sound.flac", chirp(1.0)).read_bytes()
    contents = {
        "empty": b"",
        "text": b"this is no sound at all\n" * 50,
        "zeros": bytes(5000),
        "header only": sound[:44],
        "half a header": sound[:20],
        "half a flac": flac[: len(flac) // 2],
        "picture": b"RIFF\x00\x10\x00\x00WEBPVP8 " + bytes(100),
        "m4a": b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(100),
        "aac": b"\xff\xf1\x50\x80" + bytes(100),
        "wma": b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(100),
        "webm": b"\x1a\x45\xdf\xa3" + bytes(100),
    }
    if kind == "missing":
        return path
    if kind == "folder":
        path.mkdir()
    elif kind in ("nan", "infinity"):
        samples = chirp(1.0)
        samples[9000] = np.nan if kind == "nan" else np.inf
        write_float(path, samples)
    else:
        path.write_bytes(contents[kind])
    return path


REASONS = {
    "missing": "no such file",
    "folder": "a folder, not a file",
    "empty": r"empty \(0 bytes\)",
    "text": "not audio",
    "zeros": "not audio",
    "header only": "no samples in it",
    "half a header": "corrupt",
    "half a flac": "corrupt",
    "picture": "corrupt, or not what its header says",
    "nan": "NaN or infinity",
    "infinity": "NaN or infinity",
    "m4a": "MP4 .* is not read here: convert it to wav",
    "aac": "AAC is not read here",
    "wma": "WMA .* is not read here",
    "webm": "WebM .* is not read here",
}


@pytest.mark.parametrize("kind", REASONS)
def test_bad_files_have_one_line_that_says_which_and_why(tmp_path: Path, kind: str) -> None:
    path = bad_file(tmp_path, kind)
    for act in (lambda: audio.read(path, 16000), lambda: audio.scan(path)):
        with pytest.raises(AudioError, match=REASONS[kind]) as caught:
            act()
        assert str(caught.value) == f"{path}: {caught.value.reason}"
        assert "\n" not in str(caught.value)
        assert caught.value.path == path


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.wav")
    os.rename(write(tmp_path / "a.wav", chirp(0.1)), path)
    with pytest.raises(AudioError, match="its name is not UTF-8: rename it"):
        audio.read(path, 16000)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_forbidden_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", chirp(0.1))
    path.chmod(0)
    with pytest.raises(AudioError, match="cannot be opened"):
        audio.read(path, 16000)


def test_silence_is_no_error_of_reading(tmp_path: Path) -> None:
    path = write_float(tmp_path / "a.wav", np.zeros(800, np.float32))
    assert not audio.read(path, 16000).any()
    assert audio.scan(path).peak == 0.0


@pytest.mark.parametrize(("start", "seconds"), [(-1.0, None), (0.0, 0.0), (0.0, -2.0), (0.0, float("nan"))])
def test_parts_that_cannot_be(tmp_path: Path, start: float, seconds: float | None) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        audio.read(tmp_path / "a.wav", 16000, start, seconds)


def test_a_part_beyond_the_end(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", chirp(1.0))
    with pytest.raises(AudioError, match="ends before 3 s"):
        audio.read(path, 8000, 3.0, 1.0)


def test_errors_survive_pickling(tmp_path: Path) -> None:
    error = AudioError(tmp_path / "a.wav", "corrupt")
    again = pickle.loads(pickle.dumps(error))
    assert (again.path, again.reason, str(again)) == (error.path, error.reason, str(error))


def test_real_mp3s_are_announced_too_long_and_read_as_they_are(real_data: Path) -> None:
    folder = real_data / "philharmonia" / "flute"
    for path in sorted(folder.iterdir())[:10]:
        n_decoded = len(audio.read(path, 44100))
        assert audio.facts(path).n_samples == n_decoded <= soundfile.info(path).frames
