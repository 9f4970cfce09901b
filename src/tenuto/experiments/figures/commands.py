"""From the arguments of `tenuto reproduce` to a figure, as (value for JSON, text, left out, failed)."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenuto.errors import UsageError
from tenuto.experiments.figures.registry import FIGURES, OPTIONS

if TYPE_CHECKING:
    from tenuto.experiments.figures.request import Request

Answer = tuple[dict[str, Any], str, int, int]
Say = Callable[[str], None]

NUMBERS = ("hops", "fps", "importance")
ALWAYS = ("experiment", "out", "json", "settings", "verb")


def draw(args: Namespace, data: Mapping[str, Path], say: Say) -> Answer:
    """Draws the figure that the arguments ask for, and says where it is.

    Raises:
        UsageError: an option that the figure has no use for, or something it needs is not there
    """
    figure = FIGURES[args.experiment]
    for name, value in vars(args).items():
        if name not in (*ALWAYS, *figure.takes) and value not in (None, []):
            taken = ", ".join(f"--{each}" for each in figure.takes)
            raise UsageError(f"{figure.name} has no use for --{name}: it takes {taken} and --out")
    if args.settings:
        raise UsageError(f"{figure.name} has no use for {args.settings[0]}: settings are for what is trained")
    request = _request(args, data)
    found = import_module(f"tenuto.experiments.figures.{figure.module}").draw(request, say)
    files = [str(path) for path in found.files]
    text = "\n".join([found.text, *(f"wrote {path}" for path in files)])
    return {"figure": figure.name, **found.value, "written": files}, text, 0, 0


def refuse_options_of_figures(args: Namespace) -> None:
    """UsageError where a table is given an option that figures alone take."""
    for name in OPTIONS:
        if getattr(args, name) is not None:
            takers = ", ".join(each.name for each in FIGURES.values() if name in each.takes)
            raise UsageError(f"{args.experiment} has no use for --{name}: it is for {takers}")


def _request(args: Namespace, data: Mapping[str, Path]) -> Request:
    from tenuto.experiments.figures.request import Request  # matplotlib

    numbers = {name: _numbers(name, getattr(args, name)) for name in NUMBERS}
    classes = tuple(part.strip() for part in (args.classes or "").split(",") if part.strip())
    return Request(
        args.experiment, tuple(args.run or ()), tuple(args.files or ()), data, classes, args.limit, args.out,
        backbone=args.backbone, threads=args.threads, rounds=args.rounds, **numbers,
    )  # fmt: skip


def _numbers(name: str, text: str | None) -> tuple[float, ...] | None:
    """ "a,b" -> (a, b); repeats stay."""
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        numbers = ()
    if not numbers or not all(map(isfinite, numbers)):
        raise UsageError(f"--{name} {text!r}: wanted numbers with commas between them")
    return numbers
