"""The warp in blocks against the warp by scatter and gather, values and gradients, ties and ragged clips included."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tenuto.frontend import _warp_blocks, _warp_torch
from tolerances import assert_close


def importance_of(kind: str, n_clips: int, n_frames: int, n_out: int) -> Tensor:
    """(batch, frame) float64 that sums to n_out, but where the kind says otherwise."""
    scores = torch.rand(n_clips, n_frames, dtype=torch.float64) + 1e-3
    if kind == "uniform":
        scores = torch.ones_like(scores)
    if kind == "many zeros":
        scores[:, n_frames // 3 : 2 * n_frames // 3] = 0
    if kind == "ragged":
        scores = scores * (torch.arange(n_frames) < torch.tensor([[n_frames], [n_frames // 2], [2]])[:n_clips])
    importance = scores * (n_out / scores.sum(1, keepdim=True))
    return {"too much": 1.7 * importance, "too little": 0.4 * importance}.get(kind, importance)


def by_both(frames: Tensor, importance: Tensor, n_out: int, cut: str) -> list[list[Tensor]]:
    """Sum, maximum and the gradients to frames and importance, in blocks and by scatter and gather."""
    found = []
    for kernel in (_warp_blocks.SumAndMax, _warp_torch._SumAndMax):
        x, s = frames.clone().requires_grad_(), importance.clone().requires_grad_()
        cuts = getattr(_warp_torch, cut)(s, n_out)
        sums, largest = kernel.apply(_warp_torch._rows(x), cuts.weight.to(x.dtype), cuts)
        outputs = [_warp_torch._from_rows(rows, cuts) for rows in (sums, largest)]
        weighted = sum(
            (i + 1) * (out * torch.linspace(-1, 2, out.numel()).view_as(out)).sum() for i, out in enumerate(outputs)
        )
        found.append([*outputs, *torch.autograd.grad(weighted, (x, s))])
    return found


@pytest.mark.parametrize("n_block", [5, 64, 2048])
@pytest.mark.parametrize("cut", ["segments", "whole_frames"])
@pytest.mark.parametrize("kind", ["random", "uniform", "many zeros", "ragged", "too much", "too little"])
def test_blocks_are_scatter_and_gather(kind: str, cut: str, n_block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_warp_blocks, "N_BLOCK", n_block)
    frames, importance = torch.rand(3, 4, 90, dtype=torch.float64), importance_of(kind, 3, 90, 20)
    for fast, slow in zip(*by_both(frames, importance, 20, cut), strict=True):
        assert_close(fast, slow, "float64")


def test_equal_maxima_share_the_gradient() -> None:
    silence, importance = torch.zeros(2, 3, 40, dtype=torch.float64), importance_of("uniform", 2, 40, 10)
    loud = torch.ones_like(silence)
    for frames in (silence, loud):
        fast, slow = by_both(frames, importance, 10, "segments")
        assert_close(fast[2], slow[2], "float64")
        assert_close(fast[3], slow[3], "float64")


def test_only_what_is_asked_for_gets_a_gradient() -> None:
    frames, importance = torch.rand(1, 3, 60), importance_of("random", 1, 60, 12).float().requires_grad_()
    largest = _warp_torch.weighted_sum_and_max(frames, _warp_torch.segments(importance, 12))[1]
    (alone,) = torch.autograd.grad(largest.sum(), importance)
    (beside,) = torch.autograd.grad(
        _warp_torch.weighted_sum_and_max(frames.requires_grad_(), _warp_torch.segments(importance, 12))[1].sum(),
        importance,
    )
    assert_close(alone, beside, "exact")


def test_an_output_that_all_frames_touch_goes_the_other_way() -> None:
    frames = torch.rand(2, 3, 6)
    assert not _warp_blocks.serves(frames, _warp_torch.segments(torch.full((2, 6), 1 / 6), 1))
    assert _warp_blocks.serves(frames, _warp_torch.segments(torch.full((2, 6), 1 / 2), 3))
    assert not _warp_blocks.serves(frames.bfloat16(), _warp_torch.segments(torch.full((2, 6), 1 / 2), 3))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_blocks_cover_all_frames_and_outputs_once(n_threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    cuts = _warp_torch.segments(importance_of("many zeros", 3, 3000, 700), 700)
    blocks = list(_warp_blocks._blocks(cuts))
    assert len(blocks) >= 3 * 3700 / (n_threads * _warp_blocks.N_BLOCK)
    assert [b.frames.start for b in blocks] == [0, *(b.frames.stop for b in blocks[:-1])]
    assert [b.outputs.start for b in blocks] == [0, *(b.outputs.stop for b in blocks[:-1])]
    assert blocks[-1].frames.stop == 9000
    assert blocks[-1].outputs.stop == 3 * 701
