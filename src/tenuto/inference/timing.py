"""Timing that holds on a busy machine: candidates in turn, in one process, so that what disturbs one disturbs all."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import torch

Call = Callable[[], object]
Say = Callable[[str], None]
Clock = Callable[[], float]

_SHORT_SECONDS = 0.25  # what takes less is called once more, untimed, before each timed call
_SAMPLE_SECONDS = 0.005  # what takes less is called several times, for the clock
_MOST_CALLS = 1000


@dataclass(frozen=True)
class Spread:
    """The median of rounds, the smallest and the largest."""

    median: float
    smallest: float
    largest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(median(values), min(values), max(values))

    def __str__(self) -> str:
        return " ".join([shown(self.median), f"[{shown(self.smallest)} {shown(self.largest)}]"])


@dataclass(frozen=True)
class Timing:
    """Seconds of one call, round by round."""

    seconds: tuple[float, ...]

    @property
    def milliseconds(self) -> Spread:
        """Of a call."""
        return Spread.of([1000 * each for each in self.seconds])

    def rate(self, n: float) -> Spread:
        """Of what a call does `n` of: so many a second."""
        return Spread.of([n / each for each in self.seconds])

    def over(self, reference: Timing) -> Spread:
        """Ratio to another candidate, formed within each round."""
        return Spread.of([a / b for a, b in zip(self.seconds, reference.seconds, strict=True)])


def time_in_turns(
    calls: Mapping[str, Call],
    n_rounds: int,
    *,
    device: str = "cpu",
    short_seconds: float = _SHORT_SECONDS,
    say: Say | None = None,
    clock: Clock = time.perf_counter,
) -> dict[str, Timing]:
    """Each candidate once a round, after a round that does not count.

    Args:
        device: waited for at the end of each call.
        short_seconds: a call that takes less follows an untimed one of the same candidate, which fills the caches,
            and is repeated until 5 ms have passed, of which the mean counts; 0: every call counts as it is.
        say: is told of each round.
        clock: `time.process_time` for the processor's time, in which other programs do not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    usual = {name: _timed(call, device, 1, clock) for name, call in calls.items()}  # compiles, finds its kernels
    for name in [name for name in calls if usual[name] < short_seconds]:
        usual[name] = _timed(calls[name], device, 1, clock)
    gc.collect()
    gc.disable()
    try:
        for number in range(n_rounds):
            if say is not None:
                say(f"round {number + 1} of {n_rounds}")
            for name, call in calls.items():
                n_calls = 1
                if usual[name] < short_seconds:
                    _timed(call, device, 1, clock)
                    n_calls = min(_MOST_CALLS, max(1, math.ceil(_SAMPLE_SECONDS / usual[name])))
                seconds[name].append(_timed(call, device, n_calls, clock))
    finally:
        gc.enable()
    return {name: Timing(tuple(each)) for name, each in seconds.items()}


def shown(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if value >= 99.95 else f"{value:#.3g}"


def _timed(call: Call, device: str, n_calls: int, clock: Clock) -> float:
    """Seconds of a call, the mean of so many."""
    began = clock()
    for _ in range(n_calls):
        call()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return (clock() - began) / n_calls
