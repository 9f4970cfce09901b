"""The steps of Figure 11 are those of the literal algorithms, and end in the overlap."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles import warp as oracle
from tenuto.errors import UsageError
from tenuto.experiments.figures.figure11 import EXAMPLE, panels
from tenuto.experiments.figures.warp_steps import warp_steps
from tenuto.report.matrices import Overlap


@st.composite
def tenths(draw: st.DrawFn) -> list[float]:
    """Importances in tenths, above 0 and at most 1, that sum to a whole number."""
    values = draw(st.lists(st.integers(1, 10), min_size=1, max_size=12))
    values += [10 - sum(values) % 10] if sum(values) % 10 else []
    return [value / 10 for value in values]


@given(tenths())
def test_every_step_is_that_of_the_paper(importance: list[float]) -> None:
    steps = warp_steps(importance)
    exact = [Fraction(str(value)) for value in importance]
    n_out = int(sum(exact))
    assert steps.w0.tolist() == oracle.equation_5(exact, n_out)
    assert steps.w.tolist() == oracle.equations_9_to_12(oracle.equation_5(exact, n_out))
    assert steps.w.tolist() == oracle.algorithm_1(oracle.equation_5(exact, n_out))
    assert steps.w.tolist() == oracle.overlap(exact, n_out)
    assert all(sum(row) == 1 for row in steps.w)


def test_the_example_shows_something_at_every_step() -> None:
    steps = warp_steps(EXAMPLE)
    assert steps.w.shape == (4, 8)
    changed = steps.w != steps.w0
    assert changed.sum() == 6
    assert {str(value) for value in steps.q.ravel()} == {"-1", "0", "1"}
    shown = panels(steps)
    assert [panel.title.partition(")")[0] for panel in shown[1:7]] == ["(5", "(9", "(10", "(11", "(11", "(12"]
    assert isinstance(shown[-1], Overlap)
    np.testing.assert_array_equal(shown[-1].importance, steps.s)


@pytest.mark.parametrize("importance", [[], [0.5], [0.0, 1.0], [1.5, 0.5], [-0.5, 0.5, 1.0]])
def test_what_the_algorithms_are_not_for_is_refused(importance: list[float]) -> None:
    with pytest.raises(UsageError, match="wanted numbers above 0 and at most 1 that sum to a whole one"):
        warp_steps(importance)
