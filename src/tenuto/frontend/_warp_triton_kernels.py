"""The programs of the warp on CUDA, in Triton. They read where frames end, C, and work out how they are cut themselves.

A program of the cut searches where some outputs of one clip begin and end. A program of the forward owns one output of
one clip: it reads the frames that touch it, a few at a time, and writes their sum, their maximum and how many reach
it, and the sum of their positions. A program of the backward owns a few frames: it reads them once, and writes their
gradients and those of their lengths, from which another adds up what a clip's importance gets.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def length_in(start, stop, output):  # type: ignore[no-untyped-def]
    """How much of a frame from `start` to `stop` lies in an output; no number where its end is none."""
    length = tl.maximum(tl.minimum(stop, output + 1.0) - tl.maximum(start, output.to(tl.float64)), 0.0)
    return tl.where(stop == stop, length, stop)


@triton.jit
def output_at(position, n_out):  # type: ignore[no-untyped-def]
    """The output in which a position lies; n_out past all of them."""
    return tl.minimum(tl.where(position == position, position, 0.0), n_out * 1.0).to(tl.int32)


@triton.jit  # type: ignore[untyped-decorator]
def cut(  # type: ignore[no-untyped-def]
    ends,  # (batch, frame) float64
    first,  # (batch x n_out,) int32, to be written
    last,  # (batch x n_out,) int32, to be written
    n_out,
    n_frames,
    n_steps,  # until a search among n_frames has ended
    OUTPUTS: tl.constexpr,
):
    """Some outputs of one clip: the frame in which each begins, and that in which it ends, by bisection.

    What is no number lies behind all outputs, and where the last end is none, every output reaches it.
    """
    n_tiles = tl.cdiv(n_out, OUTPUTS)
    clip = (tl.program_id(0) // n_tiles).to(tl.int64)
    output = (tl.program_id(0) % n_tiles) * OUTPUTS + tl.arange(0, OUTPUTS)
    ends += clip * n_frames
    total = tl.load(ends + n_frames - 1)
    finish = output.to(tl.float64) + 1.0
    finish = tl.where(finish <= total, finish, total)
    begins, finishes = tl.zeros((OUTPUTS,), tl.int32), tl.zeros((OUTPUTS,), tl.int32)
    not_begun, not_finished = begins + n_frames, finishes + n_frames  # the first frame known to lie past
    for _ in range(n_steps):
        middle, middle_of_finish = (begins + not_begun) // 2, (finishes + not_finished) // 2
        seeks, seeks_finish = begins < not_begun, finishes < not_finished
        past = tl.load(ends + middle, mask=seeks, other=float("inf")) > output
        past_finish = tl.load(ends + middle_of_finish, mask=seeks_finish, other=float("inf")) >= finish
        begins, not_begun = tl.where(past, begins, middle + 1), tl.where(past, middle, not_begun)
        finishes = tl.where(past_finish, finishes, middle_of_finish + 1)
        not_finished = tl.where(past_finish, middle_of_finish, not_finished)
    at = clip * n_out + output
    tl.store(first + at, tl.minimum(begins, n_frames - 1), mask=output < n_out)
    tl.store(last + at, tl.minimum(finishes, n_frames - 1), mask=output < n_out)


@triton.jit  # type: ignore[untyped-decorator]
def by_output(  # type: ignore[no-untyped-def]
    rows,  # (batch x frame, band), or (frame, band) where SHARED: the frames
    ends,  # (batch, frame) float64
    first,  # (batch x n_out,) int32
    last,  # (batch x n_out,) int32
    positions,  # (frame, band), where WITH_POSITIONS
    sums,  # (batch x n_out, band)
    largest,  # (batch x n_out, band), where WITH_MAX
    n_largest,  # (batch x n_out, band) int32: frames that reach the maximum, where COUNTED
    encoding,  # (batch x n_out, band): sums of positions, where WITH_POSITIONS
    n_out,
    n_frames,
    n_bands,
    WITH_MAX: tl.constexpr,
    WITH_POSITIONS: tl.constexpr,
    COUNTED: tl.constexpr,
    SHARED: tl.constexpr,
    ACCUMULATOR: tl.constexpr,
    FRAMES: tl.constexpr,
    BANDS: tl.constexpr,
):
    """One output of one clip: the sums and the maximum over the frames that touch it."""
    row = tl.program_id(0).to(tl.int64)
    clip, output = row // n_out, (row % n_out).to(tl.int32)
    band = tl.arange(0, BANDS)
    inside = band < n_bands
    begin, end = tl.load(first + row), tl.load(last + row)
    ends += clip * n_frames
    if not SHARED:
        rows += clip * n_frames * n_bands
    total, encoded = tl.zeros((BANDS,), ACCUMULATOR), tl.zeros((BANDS,), ACCUMULATOR)
    top = tl.full((BANDS,), float("-inf"), ACCUMULATOR)
    n_top = tl.zeros((BANDS,), tl.int32)
    n_touched = 0
    for tile in range(begin, end + 1, FRAMES):
        frame = tile + tl.arange(0, FRAMES)
        touches = frame <= end
        stop = tl.load(ends + frame, mask=touches, other=0.0)
        start = tl.load(ends + frame - 1, mask=touches & (frame > 0), other=0.0)
        length = length_in(start, stop, output).to(ACCUMULATOR)
        source = frame[:, None].to(tl.int64) * n_bands + band[None, :]
        read = touches[:, None] & inside[None, :]
        energy = tl.load(rows + source, mask=read, other=0.0).to(ACCUMULATOR)
        product = tl.where((length != 0)[:, None], length[:, None] * energy, 0.0)  # of no length: whatever it is
        total += tl.sum(product, 0)
        if WITH_POSITIONS:
            encoded += tl.sum(length[:, None] * tl.load(positions + source, mask=read, other=0.0).to(ACCUMULATOR), 0)
        if WITH_MAX:
            # compared as it is stored, so that the backward finds the same frames
            product = product.to(largest.dtype.element_ty).to(ACCUMULATOR)
            product = tl.where((length > 0)[:, None], product, float("-inf"))
            above = tl.maximum(top, tl.max(product, 0))
            n_touched += tl.sum((length > 0).to(tl.int32), 0)
            if COUNTED:
                n_top = tl.where(above > top, 0, n_top) + tl.sum((product == above[None, :]).to(tl.int32), 0)
            top = above
    at = row * n_bands + band
    tl.store(sums + at, total.to(sums.dtype.element_ty), mask=inside)
    if WITH_POSITIONS:
        tl.store(encoding + at, encoded.to(encoding.dtype.element_ty), mask=inside)
    if WITH_MAX:
        # Eq. 6 is over all frames: those of no weight count as zero, where an output does not touch every frame
        if n_touched < n_frames:
            n_top = tl.where(top < 0, 0, n_top)
            top = tl.maximum(top, 0.0)
        top = tl.where(total == total, top, total)  # a maximum passes over what is no number
        tl.store(largest + at, top.to(largest.dtype.element_ty), mask=inside)
        if COUNTED:
            tl.store(n_largest + at, n_top, mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def by_frame(  # type: ignore[no-untyped-def]
    rows,  # as above
    ends,  # as above
    positions,  # as above
    grad_sums,  # (batch x n_out, band)
    grad_largest,  # (batch x n_out, band), where WITH_MAX
    grad_encoding,  # (batch x n_out, band), where WITH_POSITIONS
    largest,  # as above
    n_largest,  # as above
    grad_rows,  # (batch x frame, band), where STORED
    at_start,  # (batch, frame): the gradient of the length of each frame's first segment
    at_end,  # (batch, frame): of its last
    n_out,
    n_frames,
    n_bands,
    WITH_MAX: tl.constexpr,
    WITH_POSITIONS: tl.constexpr,
    STORED: tl.constexpr,
    SHARED: tl.constexpr,
    ACCUMULATOR: tl.constexpr,
    FRAMES: tl.constexpr,
    BANDS: tl.constexpr,
):
    """A few frames of one clip: their gradients, and those of the lengths of their first and last segments."""
    n_tiles = tl.cdiv(n_frames, FRAMES)
    clip = (tl.program_id(0) // n_tiles).to(tl.int64)
    frame = (tl.program_id(0) % n_tiles) * FRAMES + tl.arange(0, FRAMES)
    band = tl.arange(0, BANDS)
    valid, inside = frame < n_frames, band < n_bands
    row = clip * n_frames + frame
    stop = tl.load(ends + row, mask=valid, other=0.0)
    start = tl.load(ends + row - 1, mask=valid & (frame > 0), other=0.0)
    begins, finishes = output_at(start, n_out), output_at(stop, n_out)
    within, read = frame.to(tl.int64)[:, None] * n_bands + band[None, :], valid[:, None] & inside[None, :]
    source = within if SHARED else within + clip * n_frames * n_bands
    energy = tl.load(rows + source, mask=read, other=0.0).to(ACCUMULATOR)
    if WITH_POSITIONS:
        position = tl.load(positions + within, mask=read, other=0.0).to(ACCUMULATOR)
    total = tl.zeros((FRAMES, BANDS), ACCUMULATOR)
    of_first = tl.zeros((FRAMES,), ACCUMULATOR)
    of_last = tl.zeros((FRAMES,), ACCUMULATOR)
    for step in range(tl.max(finishes - begins, 0) + 1):
        output = begins + step
        length = length_in(start, stop, output).to(ACCUMULATOR)
        here = (valid & (output <= finishes) & (output < n_out))[:, None] & inside[None, :]
        at = (clip * n_out + output)[:, None] * n_bands + band[None, :]
        grad = tl.load(grad_sums + at, mask=here, other=0.0).to(ACCUMULATOR)
        if WITH_MAX:
            top = tl.load(largest + at, mask=here, other=float("inf"))
            product = (length[:, None] * energy).to(largest.dtype.element_ty)
            n_top = tl.load(n_largest + at, mask=here, other=1)
            share = tl.load(grad_largest + at, mask=here, other=0.0).to(ACCUMULATOR) / tl.maximum(n_top, 1)
            grad += tl.where((product == top) & (length > 0)[:, None], share, 0.0)
        total += length[:, None] * grad
        of_length = energy * grad
        if WITH_POSITIONS:
            of_length += position * tl.load(grad_encoding + at, mask=here, other=0.0).to(ACCUMULATOR)
        of_length = tl.sum(of_length, 1)
        of_first = tl.where(output == begins, of_length, of_first)
        of_last = tl.where(output == finishes, of_length, of_last)
    tl.store(at_start + row, of_first, mask=valid)
    tl.store(at_end + row, of_last, mask=valid)
    if STORED:
        tl.store(grad_rows + source, total.to(grad_rows.dtype.element_ty), mask=read)


@triton.jit  # type: ignore[untyped-decorator]
def by_clip(  # type: ignore[no-untyped-def]
    at_start,  # as above
    at_end,  # as above
    grad_importance,  # (batch, frame)
    n_frames,
    FRAMES: tl.constexpr,
):
    """One clip: the gradient of each frame's importance, which moves its own end and all behind it.

    The end of a frame lengthens its last segment and shortens the first of the frame behind it.
    """
    clip = tl.program_id(0).to(tl.int64) * n_frames
    behind = tl.zeros((), tl.float64)
    for tile in range(0, n_frames, FRAMES):
        frame = n_frames - 1 - tile - tl.arange(0, FRAMES)  # from the last to the first
        longer = tl.load(at_end + clip + frame, mask=frame >= 0, other=0.0).to(tl.float64)
        has_next = (frame >= 0) & (frame < n_frames - 1)
        by_end = longer - tl.load(at_start + clip + frame + 1, mask=has_next, other=0.0).to(tl.float64)
        by_importance = (behind + tl.cumsum(by_end, 0)).to(grad_importance.dtype.element_ty)
        tl.store(grad_importance + clip + frame, by_importance, mask=frame >= 0)
        behind += tl.sum(by_end, 0)
