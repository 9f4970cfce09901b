"""Guide loss and activeness under both normalisers, in one training."""

from __future__ import annotations

import pytest
import torch

from tenuto.frontend.compression import LogCompression
from tenuto.frontend.diffres import DiffRes, Normalizer
from tenuto.frontend.filterbanks import MelSpectrogram
from tenuto.frontend.frontend import Frontend
from tenuto.frontend.resolution import AvgPool
from tenuto.frontend.spec_augment import SpecAugment
from tenuto.training.measures import OtherNormalizer

RATE = 8000


def front_end(normalizer: Normalizer) -> Frontend:
    bank = MelSpectrogram(sample_rate=RATE, n_fft=256, win_length=200, hop_length=80, n_mels=16)
    layer = DiffRes(16, 0.6, normalizer=normalizer, guide_lambda=0.1)
    for norm in (layer.importance.blocks[-1].norm1, layer.importance.blocks[-1].norm2):
        torch.nn.init.constant_(norm.weight, 1.0)  # far from uniform
    return Frontend(bank, layer, LogCompression(), SpecAugment())


def clips() -> tuple[torch.Tensor, torch.Tensor]:
    waveforms = 0.5 * torch.randn(3, RATE)
    waveforms[:, :3000] = 0  # empty frames
    return waveforms, torch.tensor([8000, 6000, 5000])


@pytest.mark.parametrize(("used", "other"), [("mean", "reduction"), ("reduction", "mean")])
def test_it_is_what_the_layer_says_with_the_other_normalizer(used: Normalizer, other: Normalizer) -> None:
    one, two = front_end(used), front_end(other)
    two.load_state_dict(one.state_dict())
    heard = OtherNormalizer(one.resolution)
    waveforms, lengths = clips()
    expected = []
    for _ in range(2):  # two steps, of as many clips
        torch.manual_seed(1)  # the masks
        one(waveforms, lengths)
        torch.manual_seed(1)
        expected.append(two(waveforms, lengths))
    found = heard.means()
    guide_loss = torch.stack([each.guide_loss for each in expected]).mean().item()
    activeness = torch.stack([each.activeness for each in expected]).mean().item()
    assert guide_loss > 0
    assert activeness > 0
    assert found == {
        f"guide_loss_by_{other}": pytest.approx(guide_loss, rel=1e-5),
        f"activeness_by_{other}": pytest.approx(activeness, rel=1e-5),
    }
    assert heard.means() == {}  # since the last call


def test_it_hears_training_alone_and_stops() -> None:
    one = front_end("mean")
    heard = OtherNormalizer(one.resolution)
    one.eval()(*clips())
    assert heard.means() == {}
    heard.close()
    one.train()(*clips())
    assert heard.means() == {}


@pytest.mark.parametrize("resolution", [AvgPool(0.5), DiffRes(16, 0.0)])
def test_there_is_nothing_to_hear_where_nothing_is_given_up(resolution: AvgPool | DiffRes) -> None:
    heard = OtherNormalizer(resolution)
    Frontend(MelSpectrogram(n_mels=16), resolution)(torch.randn(2, 4000))
    assert heard.means() == {}
