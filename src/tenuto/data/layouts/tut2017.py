"""TUT Acoustic Scenes 2017 (A. Mesaros, T. Heittola, T. Virtanen): a development and an evaluation set.

Each is a folder of audio/, meta.txt (file, scene and recording place, with tabs between them) and evaluation_setup/
(foldN_train.txt, foldN_test.txt and foldN_evaluate.txt; of the evaluation set test.txt and evaluate.txt). The protocol
of the post (and of DCASE 2017): trained on the 4,680 clips of the development set, tested on the 1,620 of the
evaluation set. The development set alone, or by the name tut2017-folds, is tested on each of its four folds.
"""

from __future__ import annotations

import re
from pathlib import Path

from tenuto.data.clips import Clip, ClipTable, make_table
from tenuto.data.layouts.base import Layout, lines_of, missing, set_name
from tenuto.errors import UsageError

DEVELOPMENT, EVALUATION = "TUT-acoustic-scenes-2017-development", "TUT-acoustic-scenes-2017-evaluation"
_FOLD = re.compile(r"fold(\d+)_(train|test|evaluate)\.txt")


def _is_development(folder: Path) -> bool:
    return (folder / "evaluation_setup" / "fold1_train.txt").is_file()


def _development(source: Path) -> Path | None:
    """The development set's folder: `source` itself or below it."""
    return next((folder for folder in (source, source / DEVELOPMENT) if _is_development(folder)), None)


def _evaluation(source: Path, development: Path) -> Path | None:
    """The evaluation set's folder, below `source` or beside the development set."""
    folders = (source / EVALUATION, development.parent / EVALUATION)
    return next((folder for folder in folders if folder.is_dir()), None)


def _read_tut2017(source: Path, folds: bool = False) -> ClipTable:
    development = _development(source)
    if development is None:
        raise UsageError(f"{source}: no {DEVELOPMENT} with evaluation_setup/fold1_train.txt in it")
    evaluation = None if folds else _evaluation(source, development)
    if evaluation is None:
        return _cross_validation(development)
    parts = ((development, "train"), (evaluation, "test"))
    clips = [
        Clip(folder / name, (scene,), split=part) for folder, part in parts for name, scene in _scenes(folder).items()
    ]
    root = development.parent
    return make_table(clips, set_name(root), root, multi_label=False, notes=missing(clips, root))


def _scenes(folder: Path) -> dict[str, str]:
    """{file: scene} by meta.txt, or where it was not published by the lists of evaluation_setup/."""
    setup = folder / "evaluation_setup"
    lists = [folder / "meta.txt"]
    if not lists[0].is_file():
        lists = [*sorted(setup.glob("fold*_train.txt")), *sorted(setup.glob("*evaluate.txt"))]
    if not lists:
        raise UsageError(f"{folder}: neither meta.txt nor evaluation_setup/evaluate.txt says what its clips are")
    scenes: dict[str, str] = {}
    for table in lists:
        for number, line in enumerate(lines_of(table), start=1):
            cells = line.split("\t")
            if len(cells) < 2 or not cells[1]:
                raise UsageError(f"{table}, row {number}: {line!r}; wanted file and scene with a tab between them")
            if scenes.setdefault(cells[0], cells[1]) != cells[1]:
                raise UsageError(f"{table}, row {number}: {cells[0]} is {cells[1]} and elsewhere {scenes[cells[0]]}")
    return scenes


def _cross_validation(development: Path) -> ClipTable:
    """The development set with the fold that tests each clip."""
    scenes = _scenes(development)
    fold_of, notes = _folds(development, scenes)
    clips = [Clip(development / name, (scene,), fold_of[name]) for name, scene in scenes.items() if name in fold_of]
    notes += _told("clips are in no fold's test list, left out", [name for name in scenes if name not in fold_of])
    notes += _told("tested clips have no scene in meta.txt, left out", [name for name in fold_of if name not in scenes])
    notes += missing(clips, development)
    return make_table(clips, set_name(development), development, multi_label=False, notes=notes)


def _told(what: str, names: list[str]) -> list[str]:
    return [f"{len(names)} {what} (first: {names[0]})"] if names else []


def _folds(development: Path, scenes: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """{file: fold that tests it}, and notes where a fold's training list is not all the others."""
    listed: dict[tuple[str, str], set[str]] = {}
    for path in sorted((development / "evaluation_setup").iterdir()):
        if match := _FOLD.fullmatch(path.name):
            listed[match[1], match[2]] = {line.split("\t")[0] for line in lines_of(path)}
    fold_of: dict[str, str] = {}
    notes = []
    for fold in sorted({fold for fold, _ in listed}, key=int):
        tested = listed.get((fold, "evaluate"), set()) | listed.get((fold, "test"), set())
        if twice := [name for name in sorted(tested) if name in fold_of]:
            raise UsageError(f"{development}: {twice[0]} is tested in fold {fold_of[twice[0]]} and in fold {fold}")
        fold_of |= dict.fromkeys(tested, fold)
        others = scenes.keys() - tested
        if (n_other := len(listed.get((fold, "train"), others) ^ others)) > 0:
            notes.append(f"fold{fold}_train.txt and the clips that fold {fold} does not test differ by {n_other} clips")
    return fold_of, notes


TUT2017 = Layout(
    "tut2017",
    f"TUT Acoustic Scenes 2017's layout ({DEVELOPMENT}/ and {EVALUATION}/)",
    lambda source: _development(source) is not None,
    _read_tut2017,
)
TUT2017_FOLDS = Layout(
    "tut2017-folds",
    "TUT Acoustic Scenes 2017, its development set in four folds",
    None,
    lambda source: _read_tut2017(source, folds=True),
)
