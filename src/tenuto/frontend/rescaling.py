"""From scores of frames to importance: each clip's sums to the frames it keeps, and none is above one (Eq. 3)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tenuto.frontend.lengths import eager_on_cpu, full_lengths, in_graph_without_gradients, length_mask

_LOG_ZERO = -1e6  # stands for log 0: finite, and with ten digits left for what is added
_STEPS = 16  # before scores are sorted after all
_PAST_ONE = 1e-12  # past rounding
_LEAST_SUM = 1e-200  # of sigmoids: their digits are all there


def rescale_logits(logits: Tensor, n_kept: Tensor, lengths: Tensor | None = None) -> Tensor:
    """`rescale` of the logarithms of the sigmoids of logits (batch, frame), in float64.

    Without gradients on a CPU on the sigmoids themselves, wherever nothing underflows.
    """
    if in_graph_without_gradients():
        importance: Tensor = _opaque(logits, n_kept, lengths)
        return importance
    return _rescale_logits(logits, n_kept, lengths)


def _rescale_logits(logits: Tensor, n_kept: Tensor, lengths: Tensor | None) -> Tensor:
    logits = logits.to(torch.float64)
    if eager_on_cpu(logits) and not torch.is_grad_enabled():
        importance = _rescaled(torch.sigmoid(logits), n_kept, lengths)
        if importance is not None:
            return importance
    return rescale(F.logsigmoid(logits), n_kept, lengths)


@torch.library.custom_op(
    "tenuto::rescale_logits", mutates_args=(), schema="(Tensor logits, Tensor n_kept, Tensor? lengths) -> Tensor"
)
def _opaque(logits: Tensor, n_kept: Tensor, lengths: Tensor | None) -> Tensor:
    """For torch.compile: traced, it would have to sort, as values cannot decide what a graph runs next."""
    return _rescale_logits(logits, n_kept, lengths)


@_opaque.register_fake
def _(logits: Tensor, n_kept: Tensor, lengths: Tensor | None) -> Tensor:
    return torch.empty_like(logits, dtype=torch.float64)


def _rescaled(scores: Tensor, n_kept: Tensor, lengths: Tensor | None) -> Tensor | None:
    """As `rescale`, of float64 scores (batch, frame), which are written over; None where it takes logarithms.

    Scores that the scale of the rest brings past 1 are taken out of it, as in `_log_scale`.
    """
    n_frames: int | Tensor = scores.shape[1] if lengths is None else lengths[:, None]
    outside = None if lengths is None else ~length_mask(lengths, scores.shape[1])
    scores = scores if outside is None else scores.masked_fill_(outside, 0)
    wanted, rest = n_kept[:, None], scores
    share, n_full = wanted, 0 * wanted
    for _ in range(_STEPS):
        total = rest.sum(1, keepdim=True)
        if not total.amin().item() >= _LEAST_SUM:
            return None
        importance = scores * (share / total)
        if importance.amax().item() < 1 - _PAST_ONE:
            return importance
        full = importance > 1 + _PAST_ONE
        n_past = full.sum(1, keepdim=True)
        if (n_past == n_full).all():
            importance = importance.clamp_max_(1).masked_fill_(wanted >= n_frames, 1)
            return importance if outside is None else importance.masked_fill_(outside, 0)
        share, n_full, rest = wanted - n_past, n_past, scores.masked_fill(full, 0)
    return None


def rescale(log_scores: Tensor, n_kept: Tensor, lengths: Tensor | None = None) -> Tensor:
    """The scale c with sum_i min(c s'_i, 1) = n_kept, exactly: log s' (batch, frame) -> s (batch, frame).

    n_kept (batch,) frames to keep of each clip, at most its length; s is 0 beyond lengths (batch,). Works on
    logarithms (of sigmoids), so that nothing underflows. n_kept equal to the length gives ones, and no gradient.
    Should fewer scores than n_kept be positive, the rest is spread evenly over the valid zeros (log s' = -inf).
    Computed in float64, differentiable (the set of frames at 1 is piecewise constant).
    """
    scores = log_scores.to(torch.float64).clamp_min(_LOG_ZERO)  # zeros: equal, and far below all that is not zero
    if lengths is not None:  # one frame at least, so that a clip of none divides nothing by nothing
        scores = scores.masked_fill(~length_mask(lengths.clamp_min(1), scores.shape[1]), -torch.inf)
    wanted = n_kept.to(torch.float64)[:, None]
    importance = torch.exp((scores + _log_scale(scores, wanted)).clamp_max(0))
    n_frames = scores.shape[1] if lengths is None else lengths[:, None]
    importance = importance.masked_fill(wanted >= n_frames, 1)
    if lengths is not None:
        importance = importance.masked_fill(~length_mask(lengths, scores.shape[1]), 0)
    return importance.to(log_scores.dtype)


def _log_scale(scores: Tensor, wanted: Tensor) -> Tensor:
    """log c: log scores (batch, frame), -inf where zero, wanted (batch, 1) -> (batch, 1).

    Scores that the scale of the rest brings past 1 are taken out of it, which can only raise the scale: again, until
    no more do. Without a graph or another device to wait for, that is a step or two; else all is sorted.
    """
    if eager_on_cpu(scores):
        rest, n_full = scores, torch.zeros_like(wanted)
        for _ in range(_STEPS):
            scale = torch.log(wanted - n_full) - torch.logsumexp(rest, 1, keepdim=True)
            with torch.no_grad():
                past = rest + scale > _PAST_ONE
                if not past.any():
                    return scale
                n_full = n_full + past.sum(1, keepdim=True)
            rest = rest.masked_fill(past, -torch.inf)
    with torch.no_grad():
        ordered, order = scores.sort(dim=1, descending=True, stable=True)
        n_full = _n_at_one(ordered, wanted)
        first = torch.arange(scores.shape[1], device=scores.device) < n_full
        full = torch.zeros_like(first).scatter_(1, order, first)
    return torch.log(wanted - n_full) - torch.logsumexp(scores.masked_fill(full, -torch.inf), 1, keepdim=True)


def _n_at_one(ordered: Tensor, wanted: Tensor) -> Tensor:
    """How many of the largest scores reach 1: the first k with (wanted - k) s_(k+1) <= sum of the rest; (batch, 1).

    Log scores from the largest down (batch, frame), -inf where zero; wanted (batch, 1).
    """
    rest = torch.logcumsumexp(ordered.flip(1), 1).flip(1)  # log of the sum of s_(k+1), s_(k+2), ...
    k = torch.arange(ordered.shape[1], device=ordered.device)
    fits = torch.log((wanted - k).clamp_min(0)) + ordered <= rest
    return fits.to(torch.int8).argmax(1, keepdim=True)


def rescale_paper(log_scores: Tensor, n_kept: Tensor, lengths: Tensor | None = None) -> Tensor:
    """The paper's literal form (section 2.2.1): s~ = s' n_kept / sum s', s = s~ / max(s~, 1), for reproduction.

    Shapes as `rescale`. Where the largest s~ exceeds 1 the sum falls below n_kept: the last outputs are empty.
    """
    lengths = full_lengths(log_scores) if lengths is None else lengths
    valid = length_mask(lengths, log_scores.shape[1])
    outside = ~valid & (lengths > 0)[:, None]  # a clip of no frames keeps its scores, so that nothing is 0 / 0
    share = torch.softmax(log_scores.to(torch.float64).masked_fill(outside, -torch.inf), 1) * valid
    scaled = share * n_kept[:, None]
    return (scaled / scaled.amax(1, keepdim=True).clamp_min(1)).to(log_scores.dtype)
