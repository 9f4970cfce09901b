"""Kept while parameters keep their values, and not a call longer."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from tenuto import Leaf
from tenuto.frontend._remembered import Remembered


def test_made_once_for_one_set_of_values() -> None:
    remembered, made = Remembered(), []
    values = torch.tensor([1.0, 2.0])

    def make() -> int:
        made.append(1)
        return len(made)

    with torch.no_grad():
        assert [remembered.of(values)("a", make) for _ in range(3)] == [1, 1, 1]
        assert remembered.of(values)("b", make) == 2
        values.data[0] = 3  # a way to change a parameter that leaves its version as it was
        assert remembered.of(values)("a", make) == 3
        assert remembered.of(values.double())("a", make) == 4
        assert remembered.of(values, values)("a", make) == 5
    assert remembered.of(values, values)("a", make) == 6  # with gradients nothing is kept


def test_lengths_do_not_pile_up() -> None:
    remembered, values = Remembered(), torch.ones(1)
    with torch.no_grad():
        for key in range(1000):
            remembered.of(values)(key, lambda: torch.ones(1))
    assert len(remembered._held[1]) <= 32


class Interrupted(Remembered):
    """After whatever it first keeps of `new`, another thread asks of values that it still holds."""

    old, ready = torch.zeros(1), False

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if self.ready and name != "ready":
            vars(self)["ready"] = False
            assert self.of(self.old)("a", lambda: "old") == "old"


def test_weights_reloaded_between_two_threads_calls() -> None:
    remembered, new = Interrupted(), torch.ones(1)
    with torch.no_grad():
        remembered.of(remembered.old)("a", lambda: "old")
        vars(remembered)["ready"] = True
        assert remembered.of(new)("a", lambda: "new") == "new"
        assert not remembered.ready
        assert [remembered.of(new)("a", lambda: "new") for _ in range(2)] == ["new", "new"]


@pytest.mark.parametrize("name", ["center", "sigma", "pooling_width"])
def test_a_leaf_whose_parameters_change_is_another(name: str) -> None:
    leaf, waveforms = Leaf(8), torch.randn(2, 4000)
    with torch.inference_mode():
        before = leaf(waveforms)
        torch.testing.assert_close(leaf(waveforms), before, rtol=0, atol=0)
        getattr(leaf, name).data.mul_(0.9)
        after = leaf(waveforms)
    fresh = Leaf(8)
    fresh.load_state_dict(leaf.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(after, fresh(waveforms), rtol=0, atol=0)
    assert (after - before).abs().max() > 1e-3 * before.abs().max()
    trained = leaf(waveforms)  # what inference kept is of no use to training
    torch.testing.assert_close(trained, after, rtol=1e-5, atol=1e-6 * float(after.abs().max()))
    trained.sum().backward()
    assert getattr(leaf, name).grad.abs().sum() > 0


def test_copies_begin_with_nothing() -> None:
    leaf = Leaf(8)
    with torch.no_grad():
        leaf(torch.randn(1, 4000))
    assert leaf._remembered._held[1]
    for other in (copy.deepcopy(leaf), pickle.loads(pickle.dumps(leaf))):
        assert not other._remembered._held[1]
