"""The figures by name: what each shows, what it is drawn of, and where it is. No torch here."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One figure: `module` has a function draw(request, say) -> Drawn; `takes` are the options that it makes use of."""

    name: str
    help: str
    module: str
    takes: tuple[str, ...]


CLIPS = ("files", "data", "classes", "limit")
_ALL = (
    Figure("figure1", "the spectrogram of clips at hops of 40 and 10 ms", "figure1", (*CLIPS, "hops")),
    Figure("figure4", "what a run of DiffRes keeps of a clip", "figure4", ("run", *CLIPS)),
    Figure("figure5", "throughput of mel, LEAF and DiffRes on this machine", "figure5",
           ("fps", "backbone", "threads", "rounds")),
    Figure("figure9", "features of DiffRes and of ConvAvgPool side by side", "figure9", ("run", *CLIPS)),
    Figure("figure10", "what changed for each class between two runs (10a)", "figure10a", ("run",)),
    Figure("figure11", "a warp matrix being built", "figure11", ("importance",)),
    Figure("figure12", "what a run keeps of clips of speech commands", "figure12", ("run", *CLIPS)),
    Figure("figure13", "what a run keeps of clips of audio tagging", "figure12", ("run", *CLIPS)),
)  # fmt: skip
FIGURES: dict[str, Figure] = {each.name: each for each in _ALL}
OPTIONS = ("run", "files", "classes", "importance", "rounds")  # that tables have no use for


def figure_arguments(parser: ArgumentParser) -> None:
    """Options of `tenuto reproduce` that figures alone make use of."""
    add = parser.add_argument_group("what figures alone make use of").add_argument
    add("--run", action="extend", nargs="+", type=Path, metavar="RUN", help="a run folder, or two")
    add(
        "--files",
        action="extend",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="the audio files to show (default: clips of --data, or test clips of the run)",
    )
    add("--classes", help="show a clip of each of these, with commas between (default: of some)")
    add("--importance", help="of figure11: of each frame, with commas between")
    add("--rounds", type=int, help="of figure5: in which each front end has its turn (default: 7)")
