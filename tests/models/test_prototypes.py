"""Prototypes against Snell et al.'s Algorithm 1, a query at a time, and answers known beforehand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tenuto.errors import UsageError
from tenuto.models.build import build_classifier
from tenuto.models.checkpoint import load, save
from tenuto.models.prototypes import Prototypes, episode_loss, prototypes, split_episode, squared_distances
from tenuto.models.settings import FrontendSettings, ModelSettings

SMALL = FrontendSettings(sample_rate=8000, n_fft=256, win_length=200, hop_length=80, n_mels=16)


def algorithm_1(support: dict[int, list[Tensor]], query: dict[int, list[Tensor]]) -> Tensor:
    """Snell et al., Algorithm 1: the loss of one episode; embeddings of support and query by class."""
    centres = {k: sum(s, torch.zeros_like(s[0])) / len(s) for k, s in support.items()}
    n_queries = sum(len(each) for each in query.values())
    loss = torch.zeros(())
    for k, embeddings in query.items():
        for x in embeddings:
            distances = {j: torch.sum((x - c) ** 2) for j, c in centres.items()}
            normaliser = torch.log(sum((torch.exp(-d) for d in distances.values()), torch.zeros(())))
            loss = loss + (distances[k] + normaliser) / n_queries
    return loss


def test_prototypes_are_the_means_of_their_classes() -> None:
    embeddings = torch.tensor([[1.0, 0.0], [5.0, 5.0], [3.0, 2.0]])
    means = prototypes(embeddings, torch.tensor([0, 1, 0]), 2)
    assert means.tolist() == [[2.0, 1.0], [5.0, 5.0]]
    assert squared_distances(embeddings[:1], means).tolist() == [[2.0, 41.0]]


def test_a_class_without_a_clip_has_no_prototype() -> None:
    with pytest.raises(UsageError, match=r"1 classes \(first: 1\) have no clip"):
        prototypes(torch.zeros(2, 3), torch.tensor([0, 2]), 3)


def test_the_loss_of_an_episode_is_algorithm_1s() -> None:
    by_class = {k: [torch.randn(4) for _ in range(n)] for k, n in ((7, 4), (2, 5), (4, 4))}
    rows = [(k, i) for i in range(5) for k in by_class if i < len(by_class[k])]  # classes interleaved
    embeddings = torch.stack([by_class[k][i] for k, i in rows])
    support = {k: each[:2] for k, each in by_class.items()}
    query = {k: each[2:5] for k, each in by_class.items()}
    loss = episode_loss(embeddings, torch.tensor([k for k, _ in rows]), n_support=2, n_query=3)
    torch.testing.assert_close(loss, algorithm_1(support, query))


def test_a_query_on_its_prototype_far_from_others_costs_nothing() -> None:
    embeddings = torch.tensor([[0.0], [0.0], [10.0], [10.0]])
    labels = torch.tensor([0, 0, 1, 1])
    assert episode_loss(embeddings, labels).item() == pytest.approx(0, abs=1e-6)
    assert episode_loss(torch.zeros(4, 1), labels).item() == pytest.approx(math.log(2))


def test_a_single_clip_is_support_and_query() -> None:
    labels = torch.tensor([3, 1, 3, 1, 1, 0])
    support, query = split_episode(labels, n_support=2, n_query=1)
    assert support.tolist() == [True, True, False, True, False, True]
    assert query.tolist() == [False, False, True, False, True, True]
    x = torch.randn(3, 5)
    torch.testing.assert_close(
        episode_loss(x, torch.tensor([0, 1, 2])), algorithm_1(*({k: [x[k]] for k in range(3)},) * 2)
    )


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=40), n_support=st.integers(1, 6), n_query=st.integers(1, 6)
)
def test_every_class_has_support_and_queries_that_differ(labels: list[int], n_support: int, n_query: int) -> None:
    support, query = split_episode(torch.tensor(labels), n_support, n_query)
    for label in set(labels):
        rows = [i for i, each in enumerate(labels) if each == label]
        first, then = [i for i in rows if support[i]], [i for i in rows if query[i]]
        assert 1 <= len(first) <= n_support
        assert 1 <= len(then) <= n_query
        assert len(rows) == 1 or not set(first) & set(then)
        assert first == rows[: len(first)]
        if len(rows) >= n_support + n_query:
            assert (len(first), len(then)) == (n_support, n_query)
        elif len(rows) > 1:  # nothing is left over that either side could take
            assert len(first) + len(then) == len(rows) or len(first) == n_support


def test_gradients_of_an_episode_reach_support_and_queries() -> None:
    embeddings = torch.randn(8, 3, requires_grad=True)
    episode_loss(embeddings, torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]), 2, 2).backward()
    assert embeddings.grad is not None
    assert (embeddings.grad.abs().sum(1) > 0).all()


def test_logits_are_minus_squared_distances_of_the_embedding() -> None:
    head = Prototypes(6, 3, n_embedding=4).eval()
    maps = torch.randn(2, 6, 2, 9)
    assert (head(maps) == head(maps)[:, :1]).all()  # before there are prototypes, every class is as likely
    shots, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 0, 1])
    head.set_prototypes(shots, labels)
    lengths = torch.tensor([9, 4])
    for i, n in enumerate((9, 4)):
        embedding = head.linear.weight @ maps[i, :, :, :n].mean((1, 2)) + head.linear.bias
        for k in range(3):
            distance = (embedding - shots[labels == k].mean(0)).square().sum()
            torch.testing.assert_close(head(maps, lengths)[i, k], -distance)


def test_prototypes_are_saved_with_the_weights(tmp_path: Path) -> None:
    model = ModelSettings("vgg", head="prototypes", n_filters=4, n_embedding=6)
    classifier = build_classifier(SMALL, model, ("a", "b", "c"), activation="softmax").eval()
    waveforms, lengths = torch.randn(5, 4000), torch.tensor([4000, 3000, 4000, 900, 81])
    with torch.no_grad():
        embeddings, _ = classifier.embed(waveforms, lengths)
        classifier.head.set_prototypes(embeddings, torch.tensor([0, 1, 2, 1, 0]))  # type: ignore[operator]
        probabilities = classifier.probabilities(classifier(waveforms, lengths).logits)
    assert probabilities.sum(1).tolist() == pytest.approx([1] * 5)
    assert probabilities[2].argmax() == 2  # a class of one clip: its prototype is where that clip is
    save(classifier, tmp_path)
    with torch.no_grad():
        again = load(tmp_path)(waveforms, lengths).logits
        assert torch.equal(again, classifier(waveforms, lengths).logits)


def test_embeddings_are_of_prototypes_alone() -> None:
    classifier = build_classifier(SMALL, ModelSettings("vgg", n_filters=4), ("a", "b"))
    with pytest.raises(UsageError, match=r"head of prototypes, and this is MeanPooling"):
        classifier.embed(torch.randn(1, 4000))
