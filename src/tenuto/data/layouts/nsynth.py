"""NSynth (J. Engel and others, 2017): nsynth-train, nsynth-valid and nsynth-test of examples.json and audio/.

305,979 notes of 4 s; the class is the family of the instrument, of which there are 11 (one, synth_lead, is in the
training part only). No instrument is in training and in another part. The paper's Table 5 has 289,205 notes to train
on and 12,678 to test on: it tests on nsynth-valid. So does the name nsynth-paper, and a copy without nsynth-test.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tenuto.data.clips import Clip, ClipTable, make_table
from tenuto.data.layouts.base import Layout, missing, set_name
from tenuto.errors import UsageError


def _examples(source: Path, part: str) -> Path:
    return source / f"nsynth-{part}" / "examples.json"


def _is_nsynth(source: Path) -> bool:
    return _examples(source, "train").is_file()


def _read_nsynth(source: Path, as_the_paper: bool = False) -> ClipTable:
    as_the_paper = as_the_paper or not _examples(source, "test").is_file()
    parts = {"train": "train", "valid": "test"} if as_the_paper else {p: p for p in ("train", "valid", "test")}
    there = {part: use for part, use in parts.items() if part == "train" or _examples(source, part).is_file()}
    clips = [clip for part, use in there.items() for clip in _notes(source, part, use)]
    told = ("tested on nsynth-valid, as the paper does",) if as_the_paper and "valid" in there else ()
    return make_table(clips, set_name(source), source, multi_label=False, notes=(*told, *missing(clips, source)))


def _notes(source: Path, part: str, use: str) -> list[Clip]:
    """The clips of nsynth-`part`, to be used as the part `use`."""
    path = _examples(source, part)
    examples = _read_json(path)
    try:
        families = {name: str(values["instrument_family_str"]) for name, values in sorted(examples.items())}
    except (AttributeError, KeyError, TypeError):
        raise UsageError(f"{path}: wanted {{note: {{instrument_family_str: ...}}}}, as NSynth has it") from None
    return [Clip(path.parent / "audio" / f"{name}.wav", (family,), split=use) for name, family in families.items()]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UsageError(f"{path}: not JSON ({error})") from None


NSYNTH = Layout(
    "nsynth",
    "NSynth's layout (nsynth-train/, nsynth-valid/ and nsynth-test/ of examples.json and audio/)",
    _is_nsynth,
    _read_nsynth,
)
NSYNTH_PAPER = Layout(
    "nsynth-paper",
    "NSynth's layout, tested on nsynth-valid as the paper does",
    None,
    lambda source: _read_nsynth(source, as_the_paper=True),
)
