"""The two ways a call can go wrong; the command line turns them into one line and an exit code."""

from __future__ import annotations


class UsageError(ValueError):
    """The call was wrong: says what came in, what was wanted and how to go on. Exit code 2."""


class WorkError(RuntimeError):
    """The call was right and the work failed: says what failed and how to go on. Exit code 1."""
