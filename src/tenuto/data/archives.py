"""Where the data sets are published, with the checksums that can be pointed at; and how to come by those that are not.

Checksums were taken from: the loaders of soundata (github.com/soundata/soundata, soundata/datasets/), which has them
from Zenodo, for UrbanSound8K and FSD50K; dcase_util (github.com/DCASE-REPO/dcase_util, dcase_util/datasets/) for TUT
Acoustic Scenes 2017; torchaudio (torchaudio/datasets/speechcommands.py) and TensorFlow Datasets (its checksums.tsv of
speech_commands and of spoken_digit) for Speech Commands and FSDD. ESC-50 is taken at a fixed commit, since the archive
of a branch changes with every commit to it (soundata, issue 208); users of that commit report this sum and this size.
None was found for NSynth's archives of wav files.
"""

from __future__ import annotations

from dataclasses import dataclass

from tenuto.data.download import Remote


@dataclass(frozen=True)
class Publication:
    """A data set as it can be had.

    `archives` are unpacked one after the other; those of several files are parts of one zip. `strip` leaves out the
    first folder of the paths in them. `page` says what to do where there is nothing to download.
    """

    title: str
    terms: str
    n_clips: int
    archives: tuple[tuple[Remote, ...], ...] = ()
    strip: bool = False
    page: str = ""

    @property
    def remotes(self) -> tuple[Remote, ...]:
        """Every file to download."""
        return tuple(remote for parts in self.archives for remote in parts)


def _zenodo(record: int, name: str, md5: str, n_bytes: int | None = None) -> Remote:
    return Remote(f"https://zenodo.org/records/{record}/files/{name}?download=1", name, f"md5:{md5}", n_bytes)


def _fsd50k(name: str, md5: str) -> Remote:
    return _zenodo(4060432, f"FSD50K.{name}", md5)


def _tut(part: str, md5: str, n_bytes: int) -> tuple[Remote]:
    record = 400515 if part.startswith("development") else 1040168
    return (_zenodo(record, f"TUT-acoustic-scenes-2017-{part}.zip", md5, n_bytes),)


def _nsynth(part: str) -> tuple[Remote]:
    name = f"nsynth-{part}.jsonwav.tar.gz"
    return (Remote(f"http://download.magenta.tensorflow.org/datasets/nsynth/{name}", name),)


AUDIOSET_PAGE = """\
AudioSet is published as lists of ten-second segments of videos. The sound itself is on no public server, so there is
nothing to download here; what is left of it is found like this:

1. Put the published lists into {root}:
     http://storage.googleapis.com/us_audioset/youtube_corpus/v1/csv/class_labels_indices.csv
     http://storage.googleapis.com/us_audioset/youtube_corpus/v1/csv/balanced_train_segments.csv
     http://storage.googleapis.com/us_audioset/youtube_corpus/v1/csv/unbalanced_train_segments.csv
     http://storage.googleapis.com/us_audioset/youtube_corpus/v1/csv/eval_segments.csv
2. Get the sound of the segments as the terms of the videos allow, or a copy that your institution has, and put the
   files anywhere below {root}. A clip is known by the identifier of its video (YTID, 11 characters):
   Y<YTID>.wav, <YTID>.wav, <YTID>_<start>_<end>.wav and the like, in wav, flac, ogg, opus or mp3.
3. See how much of it is there:
     tenuto data list {root}
     tenuto data check {root}
   Clips that are missing are counted and listed; nothing stops because of them. Copies differ, and results with them:
   the paper had 1,912,134 clips to train on and 18,887 to test on.

Terms of the lists: CC BY 4.0 (research.google.com/audioset)."""

PUBLICATIONS: dict[str, Publication] = {
    "audioset": Publication("AudioSet", "lists CC BY 4.0", 2_084_320, page=AUDIOSET_PAGE),
    "esc50": Publication(
        "ESC-50",
        "CC BY-NC 3.0 (its ESC-10 part: CC BY)",
        2_000,
        (
            (
                Remote(
                    "https://github.com/karolpiczak/ESC-50/archive/33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6.zip",
                    "ESC-50-33c8ce9.zip",
                    "sha256:661183a6f53ef04f12c9bd618fed0ddc1713280d6c94a5a5431e844ba6f6a21f",
                    645_832_161,
                ),
            ),
        ),
        strip=True,
    ),
    "fsd50k": Publication(
        "FSD50K",
        "CC BY 4.0; each clip its own Creative Commons licence",
        51_197,
        (
            (_fsd50k("ground_truth.zip", "ca27382c195e37d2269c4c866dd73485"),),
            (
                _fsd50k("eval_audio.z01", "3090670eaeecc013ca1ff84fe4442aeb"),
                _fsd50k("eval_audio.zip", "6fa47636c3a3ad5c7dfeba99f2637982"),
            ),
            (
                _fsd50k("dev_audio.z01", "faa7cf4cc076fc34a44a479a5ed862a3"),
                _fsd50k("dev_audio.z02", "8f9b66153e68571164fb1315d00bc7bc"),
                _fsd50k("dev_audio.z03", "1196ef47d267a993d30fa98af54b7159"),
                _fsd50k("dev_audio.z04", "d088ac4e11ba53daf9f7574c11cccac9"),
                _fsd50k("dev_audio.z05", "81356521aa159accd3c35de22da28c7f"),
                _fsd50k("dev_audio.zip", "c480d119b8f7a7e32fdb58f3ea4d6c5a"),
            ),
        ),
    ),
    "speechcommands": Publication(
        "Speech Commands, version 2",
        "CC BY 4.0",
        105_829,
        (
            (
                Remote(
                    "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
                    "speech_commands_v0.02.tar.gz",
                    "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
                    2_428_923_189,
                ),
            ),
        ),
    ),
    "nsynth": Publication("NSynth", "CC BY 4.0", 305_979, (_nsynth("test"), _nsynth("valid"), _nsynth("train"))),
    "urbansound8k": Publication(
        "UrbanSound8K",
        "CC BY-NC 4.0",
        8_732,
        ((_zenodo(1203745, "UrbanSound8K.tar.gz", "9aa69802bbf37fb986f71ec1483a196e"),),),
        strip=True,
    ),
    "tut2017": Publication(
        "TUT Acoustic Scenes 2017",
        "for non-commercial use, see the LICENSE in its documentation",
        6_300,
        (
            _tut("development.meta", "9007fd4772d816590c5db5f5e9568f5d", 104_321),
            _tut("evaluation.meta", "e006cfec14a49dd79a6ab8f8d5b1c5e6", 4_473),
            _tut("development.audio.1", "251325a9afaaad0326ad1c57f57d514a", 1_071_445_248),
            _tut("development.audio.2", "c26861e05147dc319b4250eb103d9d99", 1_073_453_613),
            _tut("development.audio.3", "a4815775f8a5e629179726ee4cd4f55a", 1_073_077_819),
            _tut("development.audio.4", "1732b03afe8c53ef8bba80ba14766e57", 1_072_822_038),
            _tut("development.audio.5", "611be754a0c951185c6ae4b7643c19a0", 1_072_644_652),
            _tut("development.audio.6", "165a201db800d3ea76fce5a9c2bd97d7", 1_072_667_888),
            _tut("development.audio.7", "c7d79db84264401c0f8680dcc36013ad", 1_073_417_661),
            _tut("development.audio.8", "35043f25123439392338c790494c7a19", 1_072_381_222),
            _tut("development.audio.9", "0805dcf5d8e6871dc9610182b2efb93a", 1_072_087_738),
            _tut("development.audio.10", "5df83a191295a04e290b125c634e13e7", 1_046_262_120),
            _tut("evaluation.audio.1", "5d97dea8461baec8027ae4a0c2b18d4b", 1_071_856_687),
            _tut("evaluation.audio.2", "4085ef5fa286f2169074993a4e405953", 1_073_362_972),
            _tut("evaluation.audio.3", "cac432579e7cf2dff0aec7aaed248956", 1_071_521_152),
            _tut("evaluation.audio.4", "664bf09c3d24bd26c6b587f1d709de36", 382_756_463),
        ),
    ),
    "fsdd": Publication(
        "Free Spoken Digit Dataset, version 1.0.9",
        "CC BY-SA 4.0",
        2_500,
        (
            (
                Remote(
                    "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz",
                    "free-spoken-digit-dataset-1.0.9.tar.gz",
                    "sha256:8bc44cde129d505cbbb6b365c09f80c663f2aa77578afc634e6141a2f87100c0",
                    11_975_353,
                ),
            ),
        ),
        strip=True,
    ),
}
