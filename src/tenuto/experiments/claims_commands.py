"""What the command line calls: the claims and the results that bear on them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any


def claims_arguments(parser: ArgumentParser) -> None:
    """Arguments of `tenuto claims`."""
    help = "folder with folders of results in it (default: results)"
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"), help=help)
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default: RESULTS/claims.md)")


def claims(args: Namespace, say: Callable[[str], None]) -> tuple[dict[str, Any], str, int, int]:
    """Goes through the paper's claims one by one: what was measured, with what spread, and whether it holds."""
    from tenuto.experiments.claims_page import write_claims

    page = write_claims(args.results, args.out or args.results / "claims.md")
    return page, page["text"], 0, 0
