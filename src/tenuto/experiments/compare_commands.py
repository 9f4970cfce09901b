"""What the command line calls: two runs compared, the answer as (value for JSON, text, left out, failed)."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tenuto.errors import UsageError

Answer = tuple[dict[str, Any], str, int, int]
Say = Callable[[str], None]


def compare_arguments(parser: ArgumentParser) -> None:
    """Arguments of `tenuto compare`."""
    add = parser.add_argument
    add("first", type=Path, metavar="RUN_A", help="run folder, or what evaluate --out wrote")
    add("second", type=Path, metavar="RUN_B", help="another, tested on the same clips; changes are from A to B")
    add("--metric", help="accuracy, mAP or AUC (default: mAP where a clip has several labels, accuracy elsewhere)")
    add("--draws", type=int, default=1000, help="of the bootstrap over test clips (default: 1000)")
    add("--out", type=Path, action="append", metavar="FILE", help="picture (.png, .svg, .pdf) or table (.csv); "
        "may be given several times")  # fmt: skip


def compare(args: Namespace, say: Say) -> Answer:
    """What changed for each class from one run to another, sorted, and overall (the paper's Figure 10a)."""
    from tenuto.experiments.compare import as_value, compare as run  # noqa: I001
    from tenuto.experiments.compare_page import as_text, check_suffixes, write

    if args.draws < 1:
        raise UsageError(f"--draws {args.draws}: wanted at least 1, such as 1000")
    check_suffixes(args.out or ())
    found = run(args.first, args.second, args.metric, args.draws)
    written = [str(write(found, path)) for path in args.out or ()]
    text = "\n".join([as_text(found), *(f"wrote {path}" for path in written)])
    return {**as_value(found), "written": written}, text, 0, 0
