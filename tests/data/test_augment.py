"""Mixup: what is mixed, how much, and that nothing else is touched."""

from __future__ import annotations

import pytest
import torch

from tenuto.data.augment import mixup
from tenuto.data.batching import Batch


def make_batch(n_clips: int, n_samples: int = 50) -> Batch:
    """Each clip of constant samples of its own (1, 2, ...) and a class of its own, some shorter."""
    lengths = torch.arange(n_clips) % n_samples + 1
    values = torch.arange(1, n_clips + 1).float()[:, None]
    waveforms = values * (torch.arange(n_samples) < lengths[:, None])
    return Batch(waveforms, lengths, torch.eye(n_clips), torch.arange(n_clips))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_probability_zero_changes_nothing() -> None:
    batch = make_batch(8)
    mixed = mixup(batch, probability=0.0, generator=seeded())
    torch.testing.assert_close(mixed.waveforms, batch.waveforms, rtol=0, atol=0)
    torch.testing.assert_close(mixed.targets, batch.targets, rtol=0, atol=0)
    assert mixed.lengths.tolist() == batch.lengths.tolist()


def test_waveform_target_and_length_are_of_the_same_two_clips() -> None:
    batch = make_batch(40)
    mixed = mixup(batch, probability=1.0, generator=seeded())
    torch.testing.assert_close(mixed.targets.sum(dim=1), torch.ones(40))
    torch.testing.assert_close(mixed.waveforms, mixed.targets @ batch.waveforms)
    for row in range(40):
        partners = mixed.targets[row].nonzero().flatten()
        assert row in partners
        assert len(partners) <= 2
        assert mixed.lengths[row] == batch.lengths[partners].max()
    assert mixed.lengths.dtype == torch.int64


def test_shares_are_of_beta_10_10() -> None:
    mixed = mixup(make_batch(2000, 1), probability=1.0, generator=seeded())
    shares = mixed.targets.diagonal()
    shares = shares[shares < 1]  # one clip may meet itself
    assert shares.mean() == pytest.approx(0.5, abs=0.01)
    assert shares.std() == pytest.approx((1 / (4 * 21)) ** 0.5, rel=0.05)  # variance 1 / (4 (2 alpha + 1))
    wide = mixup(make_batch(2000, 1), alpha=1.0, probability=1.0, generator=seeded()).targets.diagonal()
    assert wide.std() == pytest.approx((1 / 12) ** 0.5, rel=0.05), "Beta(1, 1) is uniform"


def test_about_the_wanted_share_of_clips_is_mixed() -> None:
    mixed = mixup(make_batch(2000, 1), probability=0.5, generator=seeded())
    assert (mixed.targets.diagonal() < 1).float().mean() == pytest.approx(0.5, abs=0.04)


def test_the_batch_that_came_in_is_left_alone() -> None:
    batch, same = make_batch(8), make_batch(8)
    mixup(batch, probability=1.0, generator=seeded())
    torch.testing.assert_close(batch.waveforms, same.waveforms, rtol=0, atol=0)
    torch.testing.assert_close(batch.targets, same.targets, rtol=0, atol=0)
    assert batch.lengths.tolist() == same.lengths.tolist()


def test_the_generator_decides() -> None:
    batch = make_batch(20)
    one, same, other = (mixup(batch, generator=seeded(seed)).targets for seed in (1, 1, 2))
    torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert not torch.equal(one, other)
    torch.manual_seed(5)
    first = mixup(batch).targets
    torch.manual_seed(5)
    torch.testing.assert_close(first, mixup(batch).targets, rtol=0, atol=0)


def test_one_clip_meets_itself() -> None:
    batch = make_batch(1)
    torch.testing.assert_close(mixup(batch, probability=1.0).waveforms, batch.waveforms)
