"""A clip table into training, validation and test parts: by given folds, by a given column, or by lot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

from tenuto.data.clips import Clip, ClipTable, count_labels
from tenuto.errors import UsageError, WorkError


class LeftOut(NamedTuple):
    """A file that takes no part, and the reason in one line."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Parts:
    """Training, validation and test clips, no clip in two of them.

    `labels` are those with a training clip, in the table's order: the classes that a model of this split can
    know. `left_out` lists files that were taken out, `notes` what else a reader of the results must know.
    """

    train: tuple[Clip, ...]
    valid: tuple[Clip, ...]
    test: tuple[Clip, ...]
    labels: tuple[str, ...]
    multi_label: bool
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def clips(self) -> tuple[Clip, ...]:
        """All clips of the three parts."""
        return self.train + self.valid + self.test


def split(
    table: ClipTable,
    fold: str | None = None,
    valid_share: float = 0.1,
    seed: int = 0,
    test_share: float = 0.2,
) -> Parts:
    """Splits by what the table gives: its folds, else its `split` column, else a stratified draw.

    - `fold` named: that fold is the test part, whatever the `split` column says. Folds are never reshuffled.
    - no fold named: the `split` column; without one the first fold; without folds `test_share` of each class.
    - validation: the clips outside the test part that the `split` column says, with a fold named too; else
      `valid_share` of each class in training.
    - a class of a single clip goes to training where the parts are drawn.
    - a label that has no training clip cannot be known: its clips are taken out of validation and test and
      listed (single label), or the label is ignored there (multi-label).

    Raises:
        UsageError: a fold that does not exist, a share outside [0, 1).
        WorkError: no training clip, no test clip, or (one label a clip) a class that lost its training clips to the
            check, or fewer than two classes in training.
    """
    for name, share in (("valid_share", valid_share), ("test_share", test_share)):
        if not 0 <= share < 1:
            raise UsageError(f"{name} is {share}: wanted 0 or more and less than 1")
    train, valid, test, notes = _given_or_drawn(table, None if fold is None else str(fold), test_share, seed)
    if not valid and valid_share > 0:
        train, valid = _draw(train, valid_share, f"valid/{seed}", n_smallest=3)
    singles = [label for label, n in table.n_per_label.items() if n == 1]
    if singles:
        notes.append(f"only one clip of {_listed(singles)}: it cannot be both learned and tested")
    return _known_labels(table, train, valid, test, notes)


def check_fold(table: ClipTable, fold: str | None) -> None:
    """Raises UsageError, naming the folds there are, where `fold` is none of them (None: none named)."""
    if fold is not None and fold not in table.folds:
        there = f"its folds are {', '.join(table.folds)}" if table.folds else "it has none, leave the fold out"
        raise UsageError(f"{table.name} has no fold {fold!r}: {there}")


_Drawn = tuple[list[Clip], list[Clip], list[Clip], list[str]]


def _given_or_drawn(table: ClipTable, fold: str | None, test_share: float, seed: int) -> _Drawn:
    """Training, validation and test clips and notes, before validation is drawn."""
    if fold is not None and fold in {clip.fold for clip in table.lost} - set(table.folds):
        raise WorkError(f"{table.name}: every clip of fold {fold} was left out, so there is nothing to test on")
    check_fold(table, fold)
    has_split = table.clips[0].split is not None
    if fold is None and has_split:
        by_part = {part: [c for c in table.clips if c.split == part] for part in ("train", "valid", "test")}
        return by_part["train"], by_part["valid"], by_part["test"], []
    if table.folds:
        chosen = fold if fold is not None else table.folds[0]
        notes = [] if fold is not None else [f"no fold named: fold {chosen} of {len(table.folds)} is the test part"]
        test = [clip for clip in table.clips if clip.fold == chosen]
        others = [clip for clip in table.clips if clip.fold != chosen]
        valid, train = ([c for c in others if (c.split == "valid") is wanted] for wanted in (True, False))
        if n_test := sum(clip.split == "test" for clip in train):
            notes.append(f"{n_test} clips of split test are not in fold {chosen} and are trained on")
        return train, valid, test, notes
    train, test = _draw(table.clips, test_share, f"test/{seed}", n_smallest=2)
    drawn = f"no folds or split given: {len(test)} of {len(table.clips)} clips drawn for the test, seed {seed}"
    return train, [], test, [f"{drawn} (says little if one recording or speaker is on both sides)"]


def _draw(clips: Sequence[Clip], share: float, seed: str, n_smallest: int) -> tuple[list[Clip], list[Clip]]:
    """(kept, drawn): `share` of each label, rarest labels first (after Sechidis and others, 2011).

    Of a label of `n_smallest` clips or more at least one is drawn and at least one kept; none is drawn of a label
    of fewer. The draw depends on the paths, not on their order.
    """
    ordered = sorted(clips, key=lambda clip: clip.path)
    Random(seed).shuffle(ordered)
    n_per_label = Counter(label for clip in clips for label in _strata(clip))
    n_drawn = dict.fromkeys(n_per_label, 0)
    drawn: set[Clip] = set()
    for label in sorted(n_per_label, key=lambda name: (n_per_label[name], name)):
        n = n_per_label[label]
        n_wanted = max(1, int(share * n + 0.5)) if n >= n_smallest and share > 0 else 0
        for clip in ordered:
            if n_drawn[label] >= n_wanted:
                break
            if label in _strata(clip) and clip not in drawn and _spares(clip, n_per_label, n_drawn):
                drawn.add(clip)
                for carried in _strata(clip):
                    n_drawn[carried] += 1
    return [c for c in clips if c not in drawn], [c for c in clips if c in drawn]


def _strata(clip: Clip) -> tuple[str, ...]:
    """The labels of a clip; clips without one are a stratum of their own."""
    return clip.labels or ("",)


def _spares(clip: Clip, n_per_label: Mapping[str, int], n_drawn: Mapping[str, int]) -> bool:
    """Whether every label of the clip keeps another clip when this one goes."""
    return all(n_per_label[label] - n_drawn[label] > 1 for label in _strata(clip))


def _known_labels(table: ClipTable, train: list[Clip], valid: list[Clip], test: list[Clip], notes: list[str]) -> Parts:
    """The parts, with what no training clip teaches taken out of validation and test."""
    if not train or not test:
        missing, column = ("training", "train") if not train else ("test", "test")
        raise WorkError(f"{table.name}: no {missing} clip; put some in another fold or give them split {column}")
    counts = count_labels(train, table.labels)
    known = tuple(label for label in table.labels if counts[label])
    unknown = [label for label in table.labels if not counts[label]]
    if not table.multi_label:
        _refuse_lost(table, known, unknown)
    left_out: list[LeftOut] = []
    if unknown and table.multi_label:
        notes.append(f"no training clip of {_listed(unknown)}: ignored in the test")
    elif unknown:
        left_out = [_never_seen(clip) for clip in (*valid, *test) if clip.labels[0] in unknown]
        notes.append(f"no training clip of {_listed(unknown)}: {len(left_out)} clips left out of validation and test")
        valid, test = ([c for c in part if c.labels[0] not in unknown] for part in (valid, test))
        if not test:
            raise WorkError(f"{table.name}: no test clip left, for no training clip has {_listed(unknown)}")
    return Parts(tuple(train), tuple(valid), tuple(test), known, table.multi_label, tuple(notes), tuple(left_out))


def _refuse_lost(table: ClipTable, known: Sequence[str], unknown: Sequence[str]) -> None:
    for label in unknown:
        n_lost = sum(label in clip.labels for clip in table.lost)
        if n_lost:
            raise WorkError(
                f"{table.name}: no usable training clip of {label!r} ({n_lost} of its files were left out): "
                "repair them, add others, or take the class out"
            )
    if len(known) < 2:
        raise WorkError(f"{table.name}: only {_listed(known)} has training clips; wanted two classes or more")


def _never_seen(clip: Clip) -> LeftOut:
    return LeftOut(clip.path, f"no training clip of its label {clip.labels[0]!r}")


def _listed(names: Iterable[str], n_shown: int = 5) -> str:
    every = [repr(name) for name in names]
    return ", ".join(every[:n_shown]) + (f" and {len(every) - n_shown} more" if len(every) > n_shown else "")
