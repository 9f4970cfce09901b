"""What the command line calls: experiments from words, answers as (value for JSON, text, left out, failed)."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from tenuto.errors import UsageError

T = TypeVar("T")
Answer = tuple[dict[str, Any], str, int, int]
Say = Callable[[str], None]


def reproduce_arguments(parser: ArgumentParser) -> None:
    """Arguments of `tenuto reproduce`; each default is the paper's."""
    from tenuto.experiments.figures.registry import figure_arguments

    helps = _helps()
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = "\n".join(["experiments:", *(f"  {name:<15} {told}" for name, told in helps.items())])
    parser.add_argument("experiment", choices=tuple(helps), metavar="EXPERIMENT", help="one of those listed below")
    add = parser.add_argument
    add("--data", action="append", default=[], metavar="NAME=ROOT", help="esc10, fsdd, ..., or a name of your own, "
        "whose clips tables pad or crop to the longest one's length, at most 10 s (see --length)")  # fmt: skip
    add("--fps", help="frames a second that reach the classifier (default: the paper's)")
    add("--hops", help="hops of the spectrogram in ms, before time is reduced (default: the paper's)")
    add("--backbone", help="sbcnn or any timm model (default: the recipe's)")
    add("--limit", type=int, help="at most so many clips of each class in each fold; of a figure: so many clips")
    add("--threads", type=int, help="CPU threads")
    add("--out", type=Path, help="of a table: folder of results; more is added to what is there (default: "
        "results/EXPERIMENT); of a figure: the picture, or a folder for it (default: EXPERIMENT.png)")  # fmt: skip
    add = parser.add_argument_group("what tables, figures 6, 7, 8, 10b and sweeps make use of").add_argument
    add("--methods", help="what to compare, with commas between (default: as in the paper)")
    add("--seeds", help="default: 0,1,2")
    add("--folds", help="folds to test on (default: all)")
    add("--length", help="fixed: all clips brought to one length (default); own: each keeps its own; or fixed,own")
    add("--epochs", type=int, help="default: the recipe's")
    add("--order", help="seed-major: one seed of every cell first (default); cell-major: all seeds of a cell first")
    figure_arguments(parser)


def _helps() -> dict[str, str]:
    """What each table and figure shows, tables first, figures in the paper's order."""
    from tenuto.experiments.figures.registry import FIGURES
    from tenuto.experiments.registry import EXPERIMENTS

    helps = {name: each.help for name, each in FIGURES.items()} | {n: each.help for n, each in EXPERIMENTS.items()}
    numbers = {name: int(number) for name in helps if (number := name.removeprefix("figure")).isdigit()}
    tables = [name for name in helps if name.startswith("table")]
    others = [name for name in helps if name not in tables and name not in numbers]
    return {name: helps[name] for name in (*tables, *sorted(numbers, key=numbers.__getitem__), *others)}


def reproduce(args: Namespace, say: Say) -> Answer:
    """The table or figure that the arguments ask for; what is done already is not done again."""
    from tenuto.experiments.figures.commands import draw, refuse_options_of_figures
    from tenuto.experiments.figures.registry import FIGURES
    from tenuto.experiments.plan import Plan
    from tenuto.experiments.protocols import Scale
    from tenuto.experiments.registry import EXPERIMENTS
    from tenuto.experiments.reproduce import reproduce as run

    if args.experiment in FIGURES and (args.run or args.experiment not in EXPERIMENTS):
        return draw(args, _roots(args.data), say)
    refuse_options_of_figures(args)
    scale = Scale(args.backbone, args.epochs, args.limit, tuple(args.settings))
    wanted = {
        "methods": _listed(args.methods, str),
        "fps": _listed(args.fps, float),
        "hops": _listed(args.hops, float),
        "seeds": _listed(args.seeds, int),
        "folds": _listed(args.folds, str),
        "lengths": _listed(args.length, str),
        "order": args.order,
        "threads": args.threads,
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    experiment = EXPERIMENTS[args.experiment]
    out = args.out or Path("results") / (experiment.store or experiment.name)
    plan = Plan(experiment, _roots(args.data), out, scale=scale, **given)
    page = run(plan, say)
    return page, page["text"], len(page["failed"]) + len(page["left_out"]), 0


def demo_arguments(parser: ArgumentParser) -> None:
    """Arguments of `tenuto demo`."""
    add = parser.add_argument
    add("--words", help="your own words, with commas between them (default: ten words)")
    add("--all-words", action="store_true", help="the 35 words of Speech Commands")
    add("--smallest", action="store_true", help="the least that still shows everything, in under a minute")
    add("--seed", type=int, default=0)
    add("--threads", type=int, help="CPU threads (default: all)")
    add("--out", type=Path, default=Path("demo"), help="folder of clips, models and pictures (default: demo)")


def demo(args: Namespace, say: Say) -> Answer:
    """Makes a set of spoken words, trains on it with every frame and with a quarter of them, and compares."""
    if args.words is not None and args.all_words:
        raise UsageError("--words and --all-words are given: choose one of them")
    from tenuto.experiments.demo import DemoPlan, demo as run  # noqa: I001

    plan = DemoPlan(args.out, _listed(args.words, str), args.all_words, args.smallest, args.seed, args.threads)
    found = run(plan, say)
    return found, found["text"], 0, 0


def _roots(given: Sequence[str]) -> dict[str, Path]:
    """ "NAME=ROOT" texts -> name -> folder."""
    roots: dict[str, Path] = {}
    for text in given:
        name, equals, root = text.partition("=")
        if not (name and equals and root):
            raise UsageError(f"--data {text!r}: wanted NAME=FOLDER, such as fsdd=data/fsdd")
        if not re.fullmatch(r"[\w+-]+", name):
            raise UsageError(f"--data {text!r}: a name of letters, digits, _, + and - is wanted, for file names")
        if name in roots:
            raise UsageError(f"--data {name} is given twice: give each name one folder")
        roots[name] = Path(root)
    return roots


def _listed(text: str | None, kind: Callable[[str], T]) -> tuple[T, ...] | None:
    """ "a,b" -> (a, b), without repeats."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tuple(dict.fromkeys(kind(part) for part in parts))
    except ValueError as error:
        raise UsageError(f"{text!r}: wanted numbers with commas between them, such as 0,1,2") from error
