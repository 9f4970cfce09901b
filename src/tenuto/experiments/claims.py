"""The paper's claims as data: which columns each compares, in what, and by what rule one says that it holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from tenuto.experiments.experiment import FULL_FPS
from tenuto.experiments.grid import Column
from tenuto.experiments.statistics import Difference
from tenuto.experiments.variants import FIXED_NUMBER

Kind = Literal["better", "not worse"]
Quantity = Literal["score", "activeness by mean", "activeness by reduction", "training time"]
Word = Literal["holds", "fails", "undecided", "not run"]
WORDS: tuple[Word, ...] = ("holds", "fails", "undecided", "not run")

MARGIN = 0.01  # of a score from 0 to 1: what "as good as" may lose
LEAST_PAIRS = 3  # fewer decide nothing, whatever they are
FEW_PAIRS = 6  # with fewer, all pairs of one sign come by chance in more than one of 32 cases


@dataclass(frozen=True)
class Pair:
    """Two columns of one data set: the first is the one that the claim speaks for."""

    first: Column
    second: Column

    def of_length(self, length: str) -> Pair:
        """The same pair with both sides of one kind of length."""
        return Pair(replace(self.first, length=length), replace(self.second, length=length))


@dataclass(frozen=True)
class Claim:
    """A claim: what the paper says and where, and the pairs in which it can be seen here.

    Args:
        name: of the claim, for notes that belong to it
        across_lengths: the pairs name their lengths; otherwise both sides take the one that is looked at
    """

    name: str
    title: str
    source: str
    kind: Kind
    pairs: tuple[Pair, ...]
    quantity: Quantity = "score"
    across_lengths: bool = False

    def pairs_in(self, lengths: Iterable[str]) -> list[Pair]:
        """The pairs to look at in a data set of which these lengths were run."""
        if self.across_lengths:
            return list(self.pairs)
        return [pair.of_length(length) for length in lengths for pair in self.pairs]


def judge(found: Difference | None, kind: Kind, margin: float = MARGIN) -> Word:
    """The verdict on one paired difference (first minus second; more is better).

    "better" holds where the whole interval is above 0, "not worse" where it is at or above -margin; either
    fails where the whole interval is below 0 (and "not worse" does not hold). One or two pairs decide nothing.
    """
    if found is None:
        return "not run"
    if found.low is None or found.high is None or found.n_pairs < LEAST_PAIRS:
        return "undecided"
    if found.low > 0 or (kind == "not worse" and found.low >= -margin):
        return "holds"
    return "fails" if found.high < 0 else "undecided"


def counted(verdicts: Sequence[tuple[Word, int]]) -> str:
    """Verdicts and their numbers of pairs -> "1 holds, 2 undecided*", starred where all of them are of few pairs."""
    told = []
    for word in WORDS[:-1]:
        pairs = [n_pairs for other, n_pairs in verdicts if other == word]
        told += [f"{len(pairs)} {word}" + ("*" if max(pairs) < FEW_PAIRS else "")] if pairs else []
    return ", ".join(told) or WORDS[-1]


def looked_into(note: str | None, failing: Iterable[str]) -> list[str]:
    """The note on a claim, and a line with the data sets on which it fails that the note does not name."""
    missing = [title for title in dict.fromkeys(failing) if title not in (note or "")]
    line = f"Why it fails has not been looked into yet on: {', '.join(missing)}."
    return [*([note] if note else []), *([line] if missing else [])]


LOGMEL = Column("logmel", FULL_FPS)


def _diffres(fps: float, length: str = "fixed", hop_ms: float = Column.hop_ms, variant: str = "") -> Column:
    return Column("diffres", fps, length, hop_ms, variant)


def _rivals(method: str) -> tuple[Pair, ...]:
    return tuple(Pair(_diffres(fps), Column(method, fps)) for fps in (25.0, 50.0, 75.0))


def _hops() -> tuple[Pair, ...]:
    """At 100 FPS each hop against the log-mel's 10 ms, then the next larger one; at 25 against DiffRes at 10 ms.

    At 25 also with an importance network that sees as long a stretch at the smaller hop.
    """
    small, few = ([_diffres(fps, hop_ms=hop_ms) for hop_ms in (6.0, 3.0, 1.0)] for fps in (FULL_FPS, 25.0))
    of_small = (*(Pair(each, LOGMEL) for each in small), *(Pair(finer, coarser) for coarser, finer in pairwise(small)))
    wide = _diffres(25.0, hop_ms=6.0, variant="dilation=2")
    return (*of_small, *(Pair(each, _diffres(25.0)) for each in (*few, wide)))


def _ablation(part: str, title: str, source: str) -> Claim:
    pair = Pair(_diffres(25.0), _diffres(25.0, variant=f"no-{part}"))
    return Claim(part, title, f"Section 3.3, Figure 8 (AudioSet, 25 FPS): {source}", "better", (pair,))


def _unpadded() -> tuple[Pair, ...]:
    """Clips at their own length against padded ones: to one small shape, and to a share of their frames."""
    rates, pairs = (15.0, 25.0, 50.0, 75.0), []
    for fps in rates:
        own, small = _diffres(fps, "own"), _diffres(fps, "own", variant=FIXED_NUMBER)
        pairs += [Pair(small, LOGMEL), Pair(own, LOGMEL), Pair(own, _diffres(fps))]
    return (*pairs, Pair(replace(LOGMEL, length="own"), LOGMEL))


_ACTIVENESS = tuple(Pair(_diffres(few), _diffres(many)) for few, many in ((25.0, 50.0), (50.0, 75.0), (25.0, 75.0)))
_CONVERGED = "Section 3.3, Figure 6: by the final value, DiffRes with a smaller FPS is more active"
_AT_EVERY_FPS = "Section 3.1, Table 1: DiffRes significantly outperforms the other methods at 25, 50 and 75 FPS"
_ONE_SHAPE = "Section 3.1 (FSD50K at 15 FPS): comparable to padding, in 28 % of its training time"

CLAIMS = (
    Claim(
        "75-as-100",
        "75 frames a second are as good as 100, or better",
        "Section 3.1, Table 1: at 75 FPS better than the log-mel at 100 on most data, the same on speech",
        "not worse",
        (Pair(_diffres(75.0), LOGMEL),),
    ),
    Claim(
        "50-and-25-as-100",
        "50 and 25 frames a second can be as good as 100",
        "Section 3.1, Table 1: comparable at 50 FPS on four of five data sets, still better at 25 FPS on two",
        "not worse",
        (Pair(_diffres(50.0), LOGMEL), Pair(_diffres(25.0), LOGMEL)),
    ),
    Claim("changehop", "Better than a larger hop", _AT_EVERY_FPS, "better", _rivals("changehop")),
    Claim("avgpool", "Better than average pooling", _AT_EVERY_FPS, "better", _rivals("avgpool")),
    Claim("convavgpool", "Better than convolutions and pooling", _AT_EVERY_FPS, "better", _rivals("convavgpool")),
    Claim(
        "smaller-hop",
        "A smaller hop is better at the same number of frames",
        "Section 3.2, Table 2: considerably better; best at 6 ms (AudioSet), 1 ms (environment), 3 ms (the others)",
        "better",
        _hops(),
    ),
    _ablation("guide", "The guide loss matters", "without it activeness becomes very high and the mAP worse"),
    _ablation("encoding", "The resolution encoding matters", "without it 1.15 points of mAP are lost"),
    _ablation("max", "The maximum matters", "without it activeness and mAP degrade notably"),
    _ablation("algorithm1", "Algorithm 1 matters", "without it activeness stays small, and DiffRes does little"),
    Claim(
        "activeness",
        "Fewer frames a second, more activeness (over the mean importance)",
        _CONVERGED,
        "better",
        _ACTIVENESS,
        "activeness by mean",
    ),
    Claim(
        "activeness-as-printed",
        "Fewer frames a second, more activeness (over the reduction, as Eq. 4 is printed)",
        _CONVERGED,
        "better",
        _ACTIVENESS,
        "activeness by reduction",
    ),
    Claim(
        "unpadded-accuracy",
        "Clips of very different length without padding: no worse",
        _ONE_SHAPE,
        "not worse",
        _unpadded(),
        across_lengths=True,
    ),
    Claim(
        "unpadded-time",
        "Clips of very different length without padding: faster to train",
        _ONE_SHAPE,
        "better",
        _unpadded(),
        "training time",
        across_lengths=True,
    ),
)
