from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tenuto.data.episodes import EpisodeBatches
from tenuto.data.sampling import Pick
from tenuto.errors import UsageError


def one_hot(labels: list[int], n_classes: int = 6) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(labels), n_classes).float()


@given(
    counts=st.lists(st.integers(0, 12), min_size=6, max_size=6).filter(any),
    n_way=st.integers(1, 6) | st.none(),
    n_support=st.integers(1, 5),
    n_query=st.integers(1, 5),
    seed=st.integers(0, 9),
)
def test_an_episode_has_a_few_clips_each_of_a_few_classes(
    counts: list[int], n_way: int | None, n_support: int, n_query: int, seed: int
) -> None:
    labels = [k for k, n in enumerate(counts) for _ in range(n)]
    present = sum(n > 0 for n in counts)
    n_way = None if n_way is None else min(n_way, present)
    batches = EpisodeBatches(one_hot(labels), n_way, n_support, n_query, seed)
    episodes = list(batches)
    assert len(episodes) == len(batches) == -(-len(labels) // ((n_way or present) * n_query))
    for episode in episodes:
        drawn = Counter(labels[pick.index] for pick in episode)
        assert len(drawn) == (n_way or present)
        for label, n in drawn.items():
            indices = [pick.index for pick in episode if labels[pick.index] == label]
            assert n == max(2, min(counts[label], n_support + n_query))
            assert len(set(indices)) == (n if counts[label] > 1 else 1)
        assert len({pick.seeds for pick in episode}) == len(episode)  # the same clip twice is cropped twice


def picks(batches: EpisodeBatches, epoch: int) -> list[list[Pick]]:
    batches.set_epoch(epoch)
    return list(batches)


def test_seed_and_epoch_decide_the_episodes() -> None:
    targets = one_hot([i % 6 for i in range(120)])
    one, same, other = (EpisodeBatches(targets, 3, 2, 2, seed) for seed in (4, 4, 5))
    picks(one, 1)
    assert picks(one, 2) == picks(same, 2)
    indices = [[pick.index for pick in batch] for batch in picks(one, 2)]
    assert indices != [[pick.index for pick in batch] for batch in picks(one, 3)]
    assert indices != [[pick.index for pick in batch] for batch in picks(other, 2)]


def test_over_time_every_clip_is_drawn_and_classes_come_alike() -> None:
    labels = [0] * 40 + [1] * 5 + [2] * 10
    batches = EpisodeBatches(one_hot(labels), 2, 2, 2)
    drawn = Counter(labels[pick.index] for epoch in range(100) for batch in picks(batches, epoch) for pick in batch)
    assert len({pick.index for epoch in range(100) for batch in picks(batches, epoch) for pick in batch}) == 55
    total = sum(drawn.values())
    assert all(0.29 < n / total < 0.38 for n in drawn.values())


def test_what_no_episode_can_be_made_of_is_refused() -> None:
    with pytest.raises(UsageError, match="n_way=4 classes an episode of 2 with clips"):
        EpisodeBatches(one_hot([0, 0, 3]), 4)
    with pytest.raises(UsageError, match="several labels of a clip"):
        EpisodeBatches(torch.tensor([[1.0, 1.0], [0.0, 1.0]]))
