"""Speech Commands (P. Warden, 2018): a folder a word, validation_list.txt and testing_list.txt.

Version 2 has 105,829 clips of about a second, 35 words. What is in neither list trains. Folders that begin with an
underscore (_background_noise_) are no classes.
"""

from __future__ import annotations

from pathlib import Path

from tenuto.data.clips import Clip, ClipTable, make_table
from tenuto.data.formats import AUDIO_SUFFIXES
from tenuto.data.layouts.base import Layout, ignored, lines_of, missing, set_name
from tenuto.errors import UsageError

LISTS = {"validation_list.txt": "valid", "testing_list.txt": "test"}


def _is_speechcommands(source: Path) -> bool:
    return all((source / name).is_file() for name in LISTS)


def _read_speechcommands(source: Path) -> ClipTable:
    part_of_clip = _listed(source)
    words = [path for path in sorted(source.iterdir()) if path.is_dir() and not path.name.startswith((".", "_"))]
    found = [f"{word.name}/{path.name}" for word in words for path in sorted(word.iterdir()) if _is_audio(path)]
    names = list(dict.fromkeys([*found, *part_of_clip]))  # those that are listed and not there come last
    if not names:
        raise UsageError(f"{source}: no wav file in a folder of it; wanted a folder a word")
    clips = [Clip(source / name, (name.split("/")[0],), split=part_of_clip.get(name, "train")) for name in names]
    others = [path for path in sorted(source.glob("_*/*")) if _is_audio(path)]
    notes = (*ignored(len(others), "background noise, no class", source, others), *missing(clips, source))
    return make_table(clips, set_name(source), source, multi_label=False, notes=notes)


def _listed(source: Path) -> dict[str, str]:
    """{word/file: part} of the two lists."""
    parts: dict[str, str] = {}
    for name, part in LISTS.items():
        for line in lines_of(source / name):
            if line.count("/") != 1:
                raise UsageError(f"{source / name}: {line!r}; wanted word/file.wav in each line")
            if parts.setdefault(line, part) != part:
                raise UsageError(f"{source / name}: {line} is in {' and in '.join(LISTS)}")
    return parts


def _is_audio(path: Path) -> bool:
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")


SPEECHCOMMANDS = Layout(
    "speechcommands",
    "Speech Commands' layout (a folder a word, validation_list.txt and testing_list.txt)",
    _is_speechcommands,
    _read_speechcommands,
)
