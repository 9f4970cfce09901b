"""What `tenuto data` does: each function returns (values, text, inputs left out)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tenuto.data.archives import PUBLICATIONS
from tenuto.data.check import check_clips
from tenuto.data.sets import LAYOUTS, find_clips
from tenuto.data.spoken import WORDS_35, make_spoken_commands
from tenuto.data.summary import summarize, summary_text
from tenuto.errors import UsageError

Told = tuple[Any, str, int]


def list_layouts() -> Told:
    """The layouts that data sets may come in, and which of them `prepare` knows."""
    value = [
        {"layout": layout.name, "what": layout.wanted, "prepare": layout.name in PUBLICATIONS} for layout in LAYOUTS
    ]
    width = max(len(layout.name) for layout in LAYOUTS)
    lines = [f"{row['layout']:<{width}}  {row['what']}" for row in value]
    return value, "\n".join([*lines, "", f"tenuto data prepare NAME ROOT knows {', '.join(PUBLICATIONS)}"]), 0


def list_clips(source: str | Path, layout: str = "auto") -> Told:
    """Classes, folds and numbers of clips of a data set; opens no sound file."""
    summary = summarize(find_clips(source, layout))
    return summary, summary_text(summary), 0


def check(source: str | Path, layout: str = "auto", progress: Callable[[int, int], None] | None = None) -> Told:
    """Decodes every file of a data set: what is in it, what cannot be used and why."""
    table = find_clips(source, layout)
    report = check_clips(table.clips, progress=progress)
    summary = summarize(table, report)
    return summary, summary_text(summary), len(report.left_out)


def prepare(name: str, root: Path, archives: Path | None, keep: bool, say: Callable[[str], None]) -> Told:
    """Downloads and unpacks a published data set, or tells how to come by it where it is on no server.

    Raises:
        UsageError: an unknown data set, or a folder with other things in it.
        WorkError: a download or an archive that fails.
    """
    from tenuto.data import prepare as steps

    table = steps.prepare(name, root, archives=archives, keep=keep, say=say)
    if table is None:
        page = steps.publication(name).page.format(root=root)
        return {"name": name, "prepared": False, "page": page}, page, 0
    summary = summarize(table)
    return summary | {"prepared": True, "path": str(root)}, summary_text(summary), 0


def make(
    folder: str | Path, words: str | None, n_train: int, n_test: int, seed: int, say: Callable[[str], None]
) -> Told:
    """Makes a spoken-command set in `folder`: `words` with commas between them, or the 35 of Speech Commands.

    Args:
        n_train, n_test: clips of each word to learn from and to test on.

    Raises:
        UsageError: fewer than two words, a word that cannot be said, a number below 1.
        WorkError: espeak-ng is not installed.
    """
    chosen = WORDS_35 if words is None else tuple(word.strip() for word in words.split(",") if word.strip())
    if len(chosen) < 2:
        raise UsageError(f"--words {words}: wanted two words or more with commas between them, such as stop,go")

    def progress(n_done: int, n_clips: int) -> None:
        if n_done % 500 == 0 or n_done == n_clips:
            say(f"{n_done} of {n_clips} clips made")

    path = make_spoken_commands(folder, chosen, n_train=n_train, n_test=n_test, seed=seed, progress=progress)
    summary = summarize(find_clips(path))
    return summary | {"path": str(path)}, f"{path}\n{summary_text(summary)}", 0
