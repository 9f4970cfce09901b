"""Words that fit their numbers."""

from __future__ import annotations

from tenuto.report.words import counted


def test_one_is_singular() -> None:
    assert [counted(n, "clip") for n in (0, 1, 2)] == ["0 clips", "1 clip", "2 clips"]
    assert [counted(n, "class", "classes") for n in (1, 3)] == ["1 class", "3 classes"]
