"""`tenuto train` and `tenuto evaluate`: what they parse and call. Heavy imports wait inside."""

from __future__ import annotations

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tenuto.data.arguments import layout_argument
from tenuto.errors import UsageError

Answer = tuple[dict[str, Any], str, int, int]
Say = Callable[[str], None]


def train_arguments(parser: ArgumentParser) -> None:
    """Arguments of `tenuto train`."""
    add = parser.add_argument
    add("source", help="folder of class folders, CSV of clips, or a data set in its published layout")
    layout_argument(parser)
    add("--recipe", default="default", help="YAML file, or the name of one of tenuto's own (default: default, "
        "DiffRes at 25 frames a second)")  # fmt: skip
    add("--out", type=Path, help="run folder (default: runs/NAME OF SOURCE)")
    add("--fold", help="test on this fold (default: the split column, else the first fold, else a fifth by lot)")
    add("--folds", help="'all' or a,b: test on each in turn, with mean and standard deviation")
    add("--seed", type=int, help="of weights, batches and draws by lot (default: 0)")
    add("--seeds", help="0,1,2: train with each, with mean and standard deviation")


def train(args: Namespace, say: Say) -> Answer:
    """Trains and tests; the same command goes on after an interruption."""
    from tenuto.training.recipe import load_recipe

    recipe = load_recipe(args.recipe, args.settings)
    for one, several in (("fold", "folds"), ("seed", "seeds")):
        if getattr(args, one) is not None and getattr(args, several) is not None:
            raise UsageError(f"--{one} and --{several} are given: choose one of them")
    seeds = _seeds(args.seeds) if args.seeds is not None else [args.seed or 0]
    from tenuto.data.sets import find_clips
    from tenuto.training import commands

    table = find_clips(args.source, args.layout)
    folds = commands.folds_to_test(table, args.fold, args.folds)
    out = args.out or Path("runs") / re.sub(r"[^\w.+-]", "_", table.name)
    if args.folds is None and args.seeds is None:
        return commands.train_one(recipe, table, out, folds[0], seeds[0], say)
    return commands.train_many(recipe, table, out, folds, seeds, say)


def evaluate_arguments(parser: ArgumentParser) -> None:
    """Arguments of `tenuto evaluate`."""
    add = parser.add_argument
    add("model", help="run folder, model folder or model.json")
    add("source", help="clips with labels, as for train")
    layout_argument(parser)
    add("--fold", help="only the clips of this fold, of a,b, or of 'all'")
    add("--split", choices=("train", "valid", "test", "all"), help="only the clips of this part: of the data that a "
        "run was trained on the run's own, of other data the split column's (default: the run's test part, of other "
        "data all)")  # fmt: skip
    add("--out", type=Path, help="folder for metrics.json, per_class, confusion and predictions.csv (default: none)")
    add("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")


def evaluate(args: Namespace, say: Say) -> Answer:
    """Metrics of a trained model on labelled clips."""
    from tenuto.data.sets import find_clips
    from tenuto.training import commands

    table = find_clips(args.source, args.layout)
    return commands.evaluate(args.model, table, args.fold, args.split, args.out, args.device, say)


def _seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--seeds {text!r}: wanted whole numbers with commas between them, such as 0,1,2") from error
