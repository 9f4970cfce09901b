"""Which clips make a batch."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tenuto.data.sampling import EqualLengthBatches, Pick, TrainBatches, class_balanced_weights


def indices(batches: TrainBatches | EqualLengthBatches) -> list[list[int]]:
    return [[pick.index for pick in batch] for batch in batches]


@given(n_clips=st.integers(1, 200), batch_size=st.integers(1, 40), bucketed=st.booleans(), seed=st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_every_clip_once_in_batches_of_equal_size(n_clips: int, batch_size: int, bucketed: bool, seed: int) -> None:
    lengths = list(range(n_clips)) if bucketed else None
    batches = TrainBatches(n_clips, batch_size, seed, lengths)
    drawn = indices(batches)
    assert sorted(chain.from_iterable(drawn)) == list(range(n_clips))
    sizes = [len(batch) for batch in drawn]
    assert len(sizes) == len(batches)
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1, "no batch of one clip among larger ones"


def test_the_same_seed_and_epoch_draw_the_same() -> None:
    one, other = TrainBatches(50, 8, seed=1), TrainBatches(50, 8, seed=1)
    other.set_epoch(3)
    first = list(one)
    assert first == list(one)
    assert indices(one) != indices(other)
    one.set_epoch(3)
    assert list(one) == list(other)
    assert next(iter(one))[0].seeds == (1, 3)
    assert indices(TrainBatches(50, 8, seed=2)) != [[pick.index for pick in batch] for batch in first]


def test_clips_of_similar_length_share_a_batch_and_batches_change() -> None:
    lengths = np.random.default_rng(0).integers(100, 10_000, 1600).tolist()

    def padding(batches: TrainBatches) -> float:
        return sum(max(lengths[k] for k in b) * len(b) for b in indices(batches)) / sum(lengths)

    bucketed = TrainBatches(1600, 16, 0, lengths)
    assert padding(bucketed) < 1.15
    assert padding(TrainBatches(1600, 16)) > 1.6
    first = {tuple(sorted(batch)) for batch in indices(bucketed)}
    bucketed.set_epoch(1)
    assert not first & {tuple(sorted(batch)) for batch in indices(bucketed)}


def test_short_and_long_batches_come_in_any_order() -> None:
    drawn = [batch[0] for batch in indices(TrainBatches(64, 8, 0, lengths=range(64)))]
    assert sorted(drawn) == list(range(0, 64, 8)), "one bucket: its batches are exactly by length"
    assert drawn != sorted(drawn)


def test_balanced_weights_give_each_class_its_share() -> None:
    targets = torch.zeros(100, 2)
    targets[:90, 0], targets[90:, 1] = 1, 1
    weights = class_balanced_weights(targets)
    assert weights.sum() == pytest.approx(1)
    assert weights[:90].sum() == pytest.approx(0.5)
    draws = np.concatenate(indices(TrainBatches(100, 10, weights=weights)))
    assert len(draws) == 100
    assert 30 <= (draws >= 90).sum() <= 70, "10 clips of 100 are about half of the draws"


def test_weights_of_several_labels_are_summed_and_none_is_lost() -> None:
    targets = torch.tensor([[1.0, 0], [1, 0], [1, 1], [0, 0]])
    weights = class_balanced_weights(targets)
    expected = np.array([1 / 3, 1 / 3, 1 / 3 + 1, 1 / 3])  # the clip of no label as the rarest-drawn other
    np.testing.assert_allclose(weights, expected / expected.sum())
    np.testing.assert_allclose(class_balanced_weights(torch.zeros(4, 2)), 0.25)


def test_evaluation_batches_are_of_equal_kept_length() -> None:
    lengths = [1600, 400, 1599, 410, 1600, 90, 1601]
    batches = EqualLengthBatches(lengths, 2, lambda samples: (samples + 159) // 160)
    assert indices(batches) == [[5], [1, 3], [0, 2], [4], [6]]
    assert len(batches) == 5
    assert indices(EqualLengthBatches(lengths, 2)) == [[5], [1], [3], [2], [0, 4], [6]]
    assert next(iter(batches)) == [Pick(5, ())]


def test_kept_receives_an_int_tensor() -> None:
    seen: list[torch.Tensor] = []

    def kept(samples: torch.Tensor) -> torch.Tensor:
        seen.append(samples)
        return samples // 10

    EqualLengthBatches([10, 20], 4, kept)
    assert seen[0].dtype == torch.int64
    assert seen[0].tolist() == [10, 20]
