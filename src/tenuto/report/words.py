"""Words that fit their numbers."""

from __future__ import annotations


def counted(n: int, one: str, several: str | None = None) -> str:
    """ "1 clip" and "2 clips"; `several` is the plural where an s does not make it."""
    return f"{n} {one if n == 1 else several or one + 's'}"
