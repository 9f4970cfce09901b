"""SpecAugment: what it masks, how much, with what; nothing in evaluation, nothing in the padding."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tenuto import UsageError
from tenuto.frontend.spec_augment import SpecAugment
from tolerances import assert_close

LENGTHS = torch.tensor([60, 25, 1])


def energies() -> Tensor:
    clips = torch.exp(2 * torch.randn(3, 32, 70, dtype=torch.float64))
    for clip, length in zip(clips, LENGTHS, strict=True):
        clip[:, length:] = 0
    return clips


def test_the_identity_in_evaluation() -> None:
    clips = energies()
    assert SpecAugment().eval()(clips, LENGTHS) is clips


def test_masks_are_whole_bands_and_frames_of_the_clips_geometric_mean() -> None:
    widest, seen = [0, 0], 0
    for _ in range(100):
        clips = energies()
        out = SpecAugment().train()(clips, LENGTHS)
        for before, after, length in zip(clips, out, LENGTHS.tolist(), strict=True):
            assert (after[:, length:] == 0).all()
            before, after = before[:, :length], after[:, :length]
            changed = before != after
            bands, frames = changed.all(1), changed.all(0)
            assert (changed == (bands[:, None] | frames[None, :])).all(), "neither whole bands nor whole frames"
            geometric = before.log().mean().exp()
            assert_close(after[changed], geometric.expand(int(changed.sum())), "float64")
            if not changed.all():
                widest = [max(widest[0], int(bands.sum())), max(widest[1], int(frames.sum()) if length == 60 else 0)]
                assert frames.sum() <= 0.5 * length
                assert bands.sum() <= 12  # 48 of 128
            seen += int(changed.any())
    assert widest[0] >= 10
    assert widest[1] >= 27
    assert seen > 150


def test_each_clip_has_its_own_mask() -> None:
    clips = torch.exp(torch.randn(1, 32, 60)).expand(4, -1, -1)
    out = SpecAugment().train()(clips)
    assert len({tuple((row != clip).flatten().tolist()) for row, clip in zip(out, clips, strict=True)}) > 1


def test_silence_stays_finite() -> None:
    out = SpecAugment().train()(torch.zeros(2, 16, 20), torch.tensor([20, 0]))
    assert torch.isfinite(out).all()
    assert out.max() < 1e-9


def test_the_gradient_passes_beside_the_mask() -> None:
    clips = energies().requires_grad_()
    out = SpecAugment().train()(clips, LENGTHS)
    out.sum().backward()
    assert clips.grad is not None
    assert ((clips.grad == 1) == (out == clips)).all()


@pytest.mark.parametrize("shares", [(-0.1, 0.5), (0.5, 1.1)])
def test_shares_outside_0_to_1_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="wanted shares from 0 to 1"):
        SpecAugment(*shares)
