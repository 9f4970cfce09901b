"""Arguments that verbs with clips share. Nothing heavy here: help is quick."""

from __future__ import annotations

from argparse import ArgumentParser


def layout_argument(parser: ArgumentParser) -> None:
    """Adds --layout."""
    help = "how the source is laid out, where that is not to be guessed ('tenuto data list' names them; default: auto)"
    parser.add_argument("--layout", default="auto", help=help)
