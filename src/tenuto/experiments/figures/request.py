"""What a figure is asked to show, where its picture goes, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tenuto.errors import UsageError
from tenuto.report.style import PICTURE_SUFFIXES


@dataclass(frozen=True)
class Request:
    """What the command line asks of one figure; None and empty where it says nothing.

    Args:
        data: name -> folder, for clips where no files are named
        classes: of the data, of each a clip is shown
        limit: at most so many clips of the data
        out: a picture, or a folder for it
    """

    name: str
    runs: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    data: Mapping[str, Path] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    limit: int | None = None
    out: Path | None = None
    hops: tuple[float, ...] | None = None
    importance: tuple[float, ...] | None = None
    fps: tuple[float, ...] | None = None
    backbone: str | None = None
    threads: int | None = None
    rounds: int | None = None

    @property
    def picture(self) -> Path:
        """Where the picture goes: NAME.png in the current folder, in the folder of --out, or --out itself.

        Raises:
            UsageError: a name that no picture has
        """
        if self.out is None:
            return Path(f"{self.name}.png")
        if not self.out.suffix or self.out.is_dir():
            return self.out / f"{self.name}.png"
        if self.out.suffix.lower() not in PICTURE_SUFFIXES:
            wanted = ", ".join(PICTURE_SUFFIXES)
            raise UsageError(f"{self.out}: wanted a name that ends in one of {wanted}, or a folder")
        return self.out


@dataclass(frozen=True)
class Drawn:
    """A figure that was drawn: what to say of it, and the files it is in; `value` has more for JSON."""

    text: str
    files: Sequence[Path]
    value: Mapping[str, Any] = field(default_factory=dict)
