"""The verb `fewshot`: from words to a plan, and its answer as (value for JSON, text, left out, failed)."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tenuto.errors import UsageError

T = TypeVar("T")
CHANGES = {  # option: field of FewshotSettings
    "sample_rate": "sample_rate",
    "window": "win_length",
    "hop": "hop_length",
    "bands": "n_mels",
    "frames": "n_frames",
    "max_patches": "max_patches",
    "epochs": "epochs",
    "converge": "converge",
    "seed": "seed",
}


def fewshot_arguments(parser: ArgumentParser) -> None:
    """Arguments of `tenuto fewshot`; the defaults are the post's, but for clips below a second."""
    add = parser.add_argument
    add("source", nargs="*", type=Path, help="data sets; none: the tables of what --out holds")
    add("--n", help="training clips a class (default: 1,2,5,10,20,50,100, as far as the data go)")
    add("--repeats", type=int, help="draws a fold and n (default: 20 for n up to 2, 10 up to 10, 5 above)")
    add("--models", help="of sbcnn,vgg,vgg128,timbre,prototypes,prototypes128 (default: sbcnn,vgg,timbre,prototypes)")
    add("--compressions", help="of log,log10000,log-learn,layernorm,pcen (default: log,log-learn)")
    add("--folds", help="folds to test on (default: all)")
    add("--epochs", type=int, help="default: 200")
    add("--converge", action="store_true", default=None, help="stop at a plateau of the training loss")
    add("--sample-rate", type=int, help="Hz (default: 44100; for clips below a second at most 16000)")
    add("--window", type=int, help="samples (default: 1024; 25 ms)")
    add("--hop", type=int, help="samples (default: 1024; 10 ms)")
    add("--bands", type=int, help="default: 128; for clips below a second 40 or, at 16 kHz, 64")
    add("--frames", type=int, help="of a patch (default: 128; 64)")
    add("--max-patches", type=int, help="of one clip when it is tested (default: 16)")
    add("--seed", type=int, help="of the draws and of all that is random (default: 0)")
    add("--threads", type=int, help="CPU threads of a training")
    add("--cache", type=Path, help="folder of mel energies (default: TENUTO_CACHE or the user's cache)")
    add("--out", type=Path, default=Path("results/fewshot"), help="folder of results; more is added to what is there")


def fewshot(args: Namespace, say: Callable[[str], None]) -> tuple[dict[str, Any], str, int, int]:
    """Trains on n clips a class, drawn by lot, with any models and compressions; what is done is not done again."""
    from tenuto.experiments.fewshot import FewshotPlan
    from tenuto.experiments.fewshot import fewshot as run

    wanted = {
        "sizes": _listed(args.n, int),
        "models": _listed(args.models, str),
        "compressions": _listed(args.compressions, str),
        "folds": _listed(args.folds, str),
    }
    given: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    changes = {name: value for option, name in CHANGES.items() if (value := getattr(args, option)) is not None}
    plan = FewshotPlan(
        tuple(args.source),
        args.out,
        repeats=args.repeats,
        changes=changes,
        cache=args.cache,
        threads=args.threads,
        **given,
    )
    page = run(plan, say)
    return page, page["text"], len(page["failed"]) + len(page["left_out"]), 0


def _listed(text: str | None, kind: Callable[[str], T]) -> tuple[T, ...] | None:
    """ "a,b" -> (a, b), without repeats."""
    if text is None:
        return None
    try:
        return tuple(dict.fromkeys(kind(part.strip()) for part in text.split(",") if part.strip()))
    except ValueError as error:
        raise UsageError(f"{text!r}: wanted whole numbers with commas between them, such as 1,2,5") from error
