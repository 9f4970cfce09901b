"""Data sets as the paper reads them."""

from __future__ import annotations

import shutil
from pathlib import Path

from data.layouts.test_nsynth import make_nsynth
from tenuto.experiments.protocols import load_table


def splits(name: str, root: Path) -> set[str]:
    return {f"{clip.path.parts[-3]} {clip.split}" for clip in load_table(name, root).clips}


def test_nsynth_is_tested_on_its_valid_part_as_in_the_paper(tmp_path: Path) -> None:
    root = make_nsynth(tmp_path / "NSynth")
    assert splits("nsynth", root) == {"nsynth-train train", "nsynth-valid test"}
    assert "nsynth-test test" in splits("mine", root)  # under another name it is read as published


def test_a_folder_of_that_name_that_is_another_set_is_read_as_what_it_is(tmp_path: Path) -> None:
    root = make_nsynth(tmp_path / "NSynth", ("train",))
    for family in ("bass", "brass"):
        for path in sorted((root / "nsynth-train" / "audio").glob(f"{family}_*.wav")):
            folder = tmp_path / "other" / family
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder)
    assert load_table("nsynth", tmp_path / "other").labels == ("bass", "brass")
