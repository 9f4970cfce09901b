"""Turns, medians and ratios, of calls whose cost is known."""

from __future__ import annotations

import gc
from functools import partial

import pytest

from tenuto.inference import timing
from tenuto.inference.timing import Spread, Timing, shown, time_in_turns


@pytest.fixture
def clock() -> list[float]:
    """What a clock shows that only the calls move: what they cost does not depend on the machine."""
    return [0.0]


def test_every_candidate_has_its_turn_in_every_round(clock: list[float]) -> None:
    turns: list[str] = []

    def call(name: str, seconds: float) -> None:
        turns.append(name)
        clock[0] += seconds

    calls = {"slow": partial(call, "slow", 2.0), "quick": partial(call, "quick", 0.1)}
    found = time_in_turns(calls, 3, clock=lambda: clock[0])
    once = ["slow", "quick"]
    assert turns == [*once, "quick", *(["slow", "quick", "quick"] * 3)], "a short call follows an untimed one"
    assert found["slow"].seconds == pytest.approx((2.0,) * 3)
    assert found["quick"].seconds == pytest.approx((0.1,) * 3)


def test_a_very_short_call_is_repeated_for_the_clock(clock: list[float]) -> None:
    n_calls = [0]

    def call() -> None:
        n_calls[0] += 1
        clock[0] += 1e-4

    found = time_in_turns({"short": call}, 2, clock=lambda: clock[0])
    assert n_calls[0] == 2 + 2 * (1 + 50), "5 ms"
    assert found["short"].seconds == pytest.approx((1e-4,) * 2)
    n_calls[0] = 0
    time_in_turns({"short": call}, 2, short_seconds=0, clock=lambda: clock[0])
    assert n_calls[0] == 3


def test_what_the_first_call_costs_does_not_count(clock: list[float]) -> None:
    costs = iter([9.0, 1.0, 1.0])

    def call() -> None:
        clock[0] += next(costs)

    assert time_in_turns({"compiled": call}, 2, clock=lambda: clock[0])["compiled"].seconds == (1.0, 1.0)


def test_the_rubbish_of_one_is_not_collected_in_the_time_of_another() -> None:
    seen: list[bool] = []
    time_in_turns({"look": lambda: seen.append(gc.isenabled())}, 1, short_seconds=0)
    assert seen == [True, False]
    assert gc.isenabled()

    def broken() -> None:
        if not gc.isenabled():
            raise ValueError("in a round")

    with pytest.raises(ValueError, match="in a round"):
        time_in_turns({"broken": broken}, 1, short_seconds=0)
    assert gc.isenabled()


def test_rounds_are_told() -> None:
    lines: list[str] = []
    time_in_turns({"nothing": lambda: None}, 2, say=lines.append)
    assert lines == ["round 1 of 2", "round 2 of 2"]


def test_medians_ranges_and_ratios_round_by_round() -> None:
    one, other = Timing((1.0, 4.0, 2.0)), Timing((2.0, 2.0, 2.0))
    assert one.milliseconds == Spread(2000, 1000, 4000)
    assert one.rate(8) == Spread(4, 2, 8)
    assert one.over(other) == Spread(1.0, 0.5, 2.0)
    assert str(one.over(other)) == "1.00 [0.500 2.00]"


@pytest.mark.parametrize(
    ("value", "text"), [(0.01234, "0.0123"), (1.0, "1.00"), (99.94, "99.9"), (99.96, "100"), (12345.6, "12346")]
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert shown(value) == text


def test_repeating_ends() -> None:
    assert timing._MOST_CALLS * 4 < 10_000, "a call of no time at all does not hang"
