"""What `tenuto data` does: each function returns (values, text, inputs left out)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tenuto.data.check import check_clips
from tenuto.data.sets import LAYOUTS, find_clips
from tenuto.data.spoken import WORDS_35, make_spoken_commands
from tenuto.data.summary import summarize, summary_text
from tenuto.errors import UsageError

Told = tuple[Any, str, int]


def list_layouts() -> Told:
    """The layouts that data sets may come in."""
    value = [{"layout": layout.name, "what": layout.wanted} for layout in LAYOUTS]
    width = max(len(layout.name) for layout in LAYOUTS)
    return value, "\n".join(f"{row['layout']:<{width}}  {row['what']}" for row in value), 0


def list_clips(source: str | Path) -> Told:
    """Classes, folds and numbers of clips of a data set; opens no sound file."""
    summary = summarize(find_clips(source))
    return summary, summary_text(summary), 0


def check(source: str | Path, progress: Callable[[int, int], None] | None = None) -> Told:
    """Decodes every file of a data set: what is in it, what cannot be used and why."""
    table = find_clips(source)
    report = check_clips(table.clips, progress=progress)
    summary = summarize(table, report)
    return summary, summary_text(summary), len(report.left_out)


def make(folder: str | Path, words: str | None, seed: int, say: Callable[[str], None]) -> Told:
    """Makes a spoken-command set in `folder`: `words` with commas between them, or the 35 of Speech Commands.

    Raises:
        UsageError: fewer than two words, or a word that cannot be said.
        WorkError: espeak-ng is not installed.
    """
    chosen = WORDS_35 if words is None else tuple(word.strip() for word in words.split(",") if word.strip())
    if len(chosen) < 2:
        raise UsageError(f"--words {words}: wanted two words or more with commas between them, such as stop,go")

    def progress(n_done: int, n_clips: int) -> None:
        if n_done % 500 == 0 or n_done == n_clips:
            say(f"{n_done} of {n_clips} clips made")

    path = make_spoken_commands(folder, chosen, seed=seed, progress=progress)
    summary = summarize(find_clips(path))
    return summary | {"path": str(path)}, f"{path}\n{summary_text(summary)}", 0
