"""The warp on a CPU: one sparse product for the maximum, and a backward pass in blocks that stay in the cache.

Each segment of `_warp_torch` ends with a frame or with an output. Those that end with a frame are all frames in
their order, those that end with an output are all outputs in theirs: neither needs an index to find its own row.

    frames     |--- 0 ---|- 1 -|-------- 2 --------|--- 3 ---|
    outputs    |------ 0 ------|------ 1 -----|------ 2 -----|
    ends with       0       1                    2       3            a frame, read where it lies
    ends with                  0         1                   2        an output: what it cuts off its last frame

A block is a run of outputs and the frames that end in them: some 1 MB a temporary, of each thread. Blocks are worked
on from the last to the first, since an output may be cut off a frame that ends in a later block. Masks are floats: on
a CPU they are several times faster than booleans.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from tenuto.frontend.lengths import eager_on_cpu

if TYPE_CHECKING:
    from tenuto.frontend._warp_forward import Group
    from tenuto.frontend._warp_torch import Segments

N_BLOCK = 2048  # segments a thread: 1 MB of 128 bands in float32
_SUM = 0  # of embedding_bag's modes
_SERVED = (torch.float32, torch.float64)


def serves(frames: Tensor, cuts: Segments | Group) -> bool:
    """Whether the maximum of these frames is for this file.

    Not where an output is touched by every frame of its clip: its maximum (Eq. 6) may be negative. And no graph is
    traced through here.
    """
    if not eager_on_cpu(frames) or frames.dtype not in _SERVED:
        return False
    return cuts.n_most < cuts.n_frames


class SumAndMax(torch.autograd.Function):
    """rows (batch x frame, band), weight (segment,) -> sum and maximum, each (batch x (n_out + 1), band)."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, cuts: Segments) -> tuple[Tensor, Tensor]:
        starts, frame = cuts.output_starts, cuts.frame
        sums = bag_sum(rows, frame, starts, weight)
        matrix = csr(starts, frame, weight, (len(sums), len(rows)))
        largest = torch.sparse.mm(matrix, rows, "amax").clamp_min_(0)  # some frame does not touch it: counts as 0
        ctx.save_for_backward(rows, weight, largest)
        ctx.cuts = cuts
        return sums, largest

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_sums: Tensor, grad_max: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight, largest = ctx.saved_tensors
        cuts: Segments = ctx.cuts
        outputs = _Outputs(largest, grad_sums.contiguous(), grad_max.contiguous())
        by_frame, by_output = _by_frame(cuts, weight), _by_output(cuts, weight)
        grad_rows = torch.empty_like(rows) if ctx.needs_input_grad[0] else None
        for block in reversed(list(_blocks(cuts))):
            _backward(block, rows, outputs, by_frame, by_output, grad_rows)
        grad_weight = weight.new_empty(len(weight) + 1)
        grad_weight.index_copy_(0, by_frame.segment, by_frame.grad_weight)
        if by_output is not None:
            grad_weight.index_copy_(0, by_output.segment, by_output.grad_weight)
        return grad_rows, grad_weight[:-1], None


@dataclass(frozen=True)
class _Outputs:
    """What is known of output rows, each (batch x (n_out + 1), band)."""

    largest: Tensor
    grad_sums: Tensor
    grad_max: Tensor


@dataclass(frozen=True)
class _Ends:
    """The segments that end with a frame (batch x frame), or those that end with an output (output row)."""

    segment: Tensor  # its index; one past the last where there is none
    joins: Tensor  # of a frame the output row it ends in, of an output row the frame it is cut off
    weight: Tensor  # (..., 1)
    compared: Tensor  # (..., 1) weight, but not a number where it is 0: such a segment is no product
    grad_weight: Tensor  # to be written


def _by_frame(cuts: Segments, weight: Tensor) -> _Ends:
    return _ends(cuts.frame_end, cuts.output, weight)


def _by_output(cuts: Segments, weight: Tensor) -> _Ends | None:
    """None where no output is cut off a frame."""
    if cuts.output_end is None:
        return None
    return _ends(F.pad(cuts.output_end, (0, 1), value=len(weight)).view(-1), cuts.frame, weight)


def _ends(segment: Tensor, joins: Tensor, weight: Tensor) -> _Ends:
    joins, weight = (F.pad(x, (0, 1)).index_select(0, segment) for x in (joins, weight))
    compared = weight.masked_fill(weight == 0, torch.nan)
    return _Ends(segment, joins, weight[:, None], compared[:, None], torch.empty_like(weight))


@dataclass(frozen=True)
class _Block:
    """A run of output rows, the frames that end in them, and where those of each row start, from the first."""

    outputs: slice
    frames: slice
    starts: Tensor


def _blocks(cuts: Segments) -> Iterator[_Block]:
    """Of N_BLOCK segments a thread or a little less (of more only where one output has as many)."""
    n_block = N_BLOCK * torch.get_num_threads()
    row = torch.arange(len(cuts.output_starts), device=cuts.frame.device)
    n_outputs_ended = row - row // (cuts.n_out + 1)
    starts = cuts.output_starts if cuts.output_end is None else cuts.output_starts - n_outputs_ended
    wanted = torch.arange(0, len(cuts.frame) + n_block, n_block, device=row.device)
    edges = torch.searchsorted(cuts.output_starts, wanted).clamp_max_(len(row) - 1)
    edges = edges[torch.cat([edges.new_ones(1), edges.diff()]) > 0]
    frames = starts[edges].tolist()
    for i, (first, last) in enumerate(itertools.pairwise(edges.tolist())):
        yield _Block(slice(first, last), slice(frames[i], frames[i + 1]), starts[first : last + 1] - frames[i])


def _backward(
    block: _Block, rows: Tensor, outputs: _Outputs, by_frame: _Ends, by_output: _Ends | None, grad_rows: Tensor | None
) -> None:
    """grad_w = x . g and grad_x = sum of w g, with g = grad_sums + (x w is the maximum) grad_max / equal maxima."""
    o, f = block.outputs, block.frames
    largest, grad_sums = outputs.largest[o], outputs.grad_sums[o]
    x, w, joins = rows[f], by_frame.weight[f], by_frame.joins[f] - o.start
    is_max = (x * by_frame.compared[f]).eq_(largest.index_select(0, joins))
    n_max = bag_sum(is_max, torch.arange(len(x), device=x.device), block.starts, torch.ones_like(w[:, 0]))
    if by_output is not None:
        cut = rows.index_select(0, by_output.joins[o])
        cut_is_max = (cut * by_output.compared[o]).eq_(largest)
        n_max += cut_is_max
    grad_max = n_max.clamp_min_(1).reciprocal_().mul_(outputs.grad_max[o])  # equal maxima share it
    g = grad_sums.index_select(0, joins).addcmul_(is_max, grad_max.index_select(0, joins))
    torch.sum(torch.mul(x, g, out=is_max), 1, out=by_frame.grad_weight[f])
    if grad_rows is not None:
        torch.mul(g, w, out=grad_rows[f])
    if by_output is not None:
        g = cut_is_max.mul_(grad_max).add_(grad_sums)
        torch.sum(cut.mul_(g), 1, out=by_output.grad_weight[o])
        if grad_rows is not None:
            grad_rows.index_add_(0, by_output.joins[o], g.mul_(by_output.weight[o]))


def bag_sum(rows: Tensor, index: Tensor, starts: Tensor, weight: Tensor) -> Tensor:
    """sum_s weight_s rows[index_s] over each bag: rows (row, band) -> (bag, band). Weights, since they are faster."""
    return torch.embedding_bag(rows, index, starts, False, _SUM, False, weight, True)[0]


def row_products(grad: Tensor, rows: Tensor, frame: Tensor, cuts: Segments) -> Tensor:
    """rows[frame_s] . grad[output_s] of each segment: frames (row, band), output rows (row, band) -> (segment,)."""
    if not eager_on_cpu(rows) or rows.dtype not in _SERVED:
        by_vecdot: Tensor = torch.linalg.vecdot(rows.index_select(0, frame), grad.index_select(0, cuts.output))
        return by_vecdot
    matrix = csr(cuts.output_starts, frame, torch.zeros_like(frame, dtype=rows.dtype), (len(grad), len(rows)))
    products: Tensor = torch.sparse.sampled_addmm(matrix, grad, rows.mT, beta=0.0).values()
    return products


def csr(row_starts: Tensor, column: Tensor, value: Tensor, shape: tuple[int, int]) -> Tensor:
    """A sparse matrix whose form is not looked through."""
    _announce()
    return torch.sparse_csr_tensor(row_starts, column, value, shape, device=value.device, check_invariants=False)


@cache
def _announce() -> None:
    """PyTorch says once per process that sparse matrices in this form are new: not to our callers."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
        start, nothing = torch.zeros(1, dtype=torch.int64, device="cpu"), torch.zeros(0, device="cpu")
        torch.sparse_csr_tensor(start, nothing.long(), nothing, (0, 0), device="cpu", check_invariants=False)
