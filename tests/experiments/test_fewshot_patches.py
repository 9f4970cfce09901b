"""Patches against a literal loop; offsets that cover a clip and stay within it."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from tenuto.experiments.fewshot_patches import Clips, spread_offsets


def clips(*lengths: int, n_bands: int = 3) -> Clips:
    """Clips of so many frames, every number in them another."""
    n_frames = np.array(lengths, np.int64)
    frames = np.arange(n_frames.sum() * n_bands, dtype=np.float32).reshape(-1, n_bands)
    return Clips(frames, np.cumsum(n_frames) - n_frames, n_frames)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(1, 15), st.integers(0, 2**32 - 1))
def test_patches_are_the_frames_from_the_offset_on_repeated_where_they_end(
    lengths: list[int], n: int, seed: int
) -> None:
    whole = clips(*lengths)
    random = np.random.default_rng(seed)
    which = random.integers(0, len(lengths), 6)
    offsets = whole.random_offsets(which, n, random)
    patches = whole.cut(which, offsets, n)
    assert patches.shape == (6, 3, n)
    for patch, clip, offset in zip(patches, which, offsets, strict=True):
        own = whole.frames[whole.begins[clip] :][: lengths[clip]]
        assert 0 <= offset <= max(0, lengths[clip] - n)
        literal = [own[(offset + i) % lengths[clip]] for i in range(n)]
        assert torch.equal(patch, torch.from_numpy(np.stack(literal, axis=1)))


def test_random_patches_reach_both_ends() -> None:
    offsets = clips(10).random_offsets(np.zeros(500, np.int64), 7, np.random.default_rng(0))
    assert set(offsets) == {0, 1, 2, 3}


def test_loaded_clips_are_the_same_clips() -> None:
    whole = clips(4, 2, 9)
    some = whole.loaded(np.array([2, 0]))
    assert some.n_frames.tolist() == [9, 4]
    for position, clip in enumerate((2, 0)):
        one, other = (each.cut(np.array([i]), np.array([1]), 3) for each, i in ((some, position), (whole, clip)))
        assert torch.equal(one, other)


@given(st.integers(1, 500), st.integers(1, 64))
def test_a_clip_is_covered_by_as_few_patches_as_can_be(n_frames: int, n: int) -> None:
    offsets = spread_offsets(n_frames, n, n_most=1000)
    heard = {(offset + i) % n_frames for offset in offsets for i in range(n)}
    assert heard == set(range(n_frames))
    assert len(offsets) == -(-n_frames // n)
    assert offsets[0] == 0
    assert offsets[-1] == max(0, n_frames - n)


def test_a_long_clip_is_heard_in_a_bounded_number_of_patches() -> None:
    offsets = spread_offsets(2900, 128, 16)  # 67 s at the published settings
    assert len(offsets) == 16
    assert (offsets[0], offsets[-1]) == (0, 2900 - 128)
    assert np.ptp(np.diff(offsets)) <= 1
