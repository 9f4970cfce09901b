"""DiffRes: learn which frames of a spectrogram matter, and merge the rest (arXiv 2210.01719)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenuto.errors import UsageError
from tenuto.frontend._warp_forward import Group
from tenuto.frontend.importance import EMPTY_BELOW, FrameImportance, Normalizer, activeness, guide_loss
from tenuto.frontend.lengths import IntOrTensor, eager_on_cpu, least_of, length_mask
from tenuto.frontend.output import ResolutionOutput
from tenuto.frontend.position_encoding import position_encoding
from tenuto.frontend.rescaling import rescale_logits, rescale_paper
from tenuto.frontend.resolution import Resolution, mask_kept
from tenuto.frontend.spectrogram import Spectrogram
from tenuto.frontend.warp import Warp

Encoding = Literal["sinusoidal", "learnable", "none"]
Rescaling = Literal["exact", "paper"]
_GROUP_BYTES = 3 * 2**20  # of spectrogram


class DiffRes(Resolution):
    """Learned temporal resolution: spectrogram (batch, band, frame) -> features (batch, 3, band, kept).

    Channels in the order mean, max (Eq. 6, times valid frames / kept, so that a constant stays a constant) and
    resolution encoding. Called as `layer(log_mel, lengths=None)` it takes a natural-log mel spectrogram; inside a
    Frontend it takes energies and the compression that follows the warp. Any number of frames.

    n_bands: bands of the spectrogram. reduction: share of the frames to save (the paper's delta), each clip of
    its own; n_kept: a fixed number to keep of every clip instead. dilation: of the importance network, which sees
    40 x dilation + 1 frames.
    guide_lambda, epsilon: lambda and epsilon of Eqs. 4 and 7; epsilon is in units of energy, so it assumes
    waveforms in [-1, 1] and the power mel spectrogram of this library. normalizer of guide loss and activeness:
    the mean importance ("mean", the authors' code) or the reduction ("reduction", as printed).
    rescaling: "exact" (every output row sums to one) or the "paper"'s literal form. mean, max, encoding,
    algorithm1: leave one out, as the paper's ablations do (algorithm1=False: Eq. 5 alone).

    Raises UsageError for values that make no sense.
    """

    def __init__(
        self,
        n_bands: int,
        reduction: float = 0.75,
        *,
        n_kept: int | None = None,
        rescaling: Rescaling = "exact",
        mean: bool = True,
        max: bool = True,
        encoding: Encoding = "sinusoidal",
        algorithm1: bool = True,
        guide_lambda: float = 0.5,
        epsilon: float = EMPTY_BELOW,
        normalizer: Normalizer = "mean",
        dilation: int = 1,
    ) -> None:
        super().__init__(reduction)
        _check(n_kept, rescaling, mean or max, encoding, epsilon, normalizer, reduction)
        self.n_bands, self.n_kept, self.mean, self.max = n_bands, n_kept, mean, max
        self.encoding, self.algorithm1, self.rescaling = encoding, algorithm1, rescaling
        self.guide_lambda, self.epsilon, self.normalizer = guide_lambda, epsilon, normalizer
        self.n_channels = mean + max + (encoding != "none")
        self.importance = FrameImportance(n_bands, dilation)
        if encoding == "learnable":
            self.mix_encoding = nn.Linear(n_bands, n_bands, bias=False)  # of bands; starts at the sinusoids
            nn.init.eye_(self.mix_encoding.weight)

    def kept(self, n_frames: IntOrTensor) -> IntOrTensor:
        """Frames kept of clips of so many frames: their share, or the fixed number where they have as many."""
        if self.n_kept is None:
            return super().kept(n_frames)
        return n_frames.clamp_max(self.n_kept) if isinstance(n_frames, Tensor) else least_of(n_frames, self.n_kept)

    def resolve(self, spectrogram: Spectrogram, empty: Tensor | None) -> ResolutionOutput:
        """Estimate importance (Eq. 3), warp (Eqs. 5 and 6), encode; and the guide loss (Eq. 7)."""
        if spectrogram.compressed.shape[1] != self.n_bands:
            raise UsageError(
                f"the spectrogram has {spectrogram.compressed.shape[1]} bands, this DiffRes was built for "
                f"{self.n_bands}; build it as DiffRes({spectrogram.compressed.shape[1]}, ...)"
            )
        kept, n_out = self.kept_of(spectrogram)
        importance = self._importance(spectrogram, kept)
        share = _share(kept, n_out, spectrogram)
        warp = Warp(importance, n_out, self.algorithm1, max_scale=1 / share)
        n_group = _n_group(spectrogram.compressed)
        if n_group is None:
            features, energy = self._features(spectrogram, warp, kept)
        else:
            features, energy = self._features_of_groups(spectrogram, warp, kept, n_group)
        importance = importance.to(features.dtype)
        features = mask_kept(features.mT, kept, spectrogram.lengths)
        below = spectrogram.below(energy, self.epsilon) if empty is None else lambda: empty
        lengths = None if spectrogram.lengths is None else spectrogram.lengths.clone()  # callers may change theirs
        normalizer = self.reduction if self.normalizer == "reduction" else share
        others = below, lengths, normalizer, self.guide_lambda
        if _may_wait(features):
            measure = partial(_measures, importance.clone(), *others)
            return ResolutionOutput.measured_later(features, kept, importance, measure)
        return ResolutionOutput(features, kept, importance, *_measures(importance, *others))

    def _importance(self, spectrogram: Spectrogram, kept: Tensor) -> Tensor:
        """Eq. 3 and its rescaling, in float64 up to the warp: (batch, frame).

        Where a loud frame barely touches a quiet output, the last digit of the cumulated importance is heard.
        """
        logits = self.importance(spectrogram.compressed, spectrogram.valid)
        if self.rescaling == "exact":
            return rescale_logits(logits, kept, spectrogram.lengths)
        return rescale_paper(F.logsigmoid(logits.to(torch.float64)), kept, spectrogram.lengths)

    def _features_of_groups(
        self, spectrogram: Spectrogram, warp: Warp, kept: Tensor, n_group: int
    ) -> tuple[Tensor, Tensor]:
        """As `_features`, so many clips at a time, without gradients, in the same room for all of what is warped."""
        n_clips, n_bands, n_frames = spectrogram.compressed.shape
        features = spectrogram.compressed.new_empty(n_clips, self.n_channels, warp.n_out, n_bands)
        energies, room = [], features.new_empty(n_group, n_frames, n_bands).mT
        places = zip(*(torch.split(channel, n_group) for channel in features.mT.unbind(1)), strict=True)
        parts, groups = spectrogram.parts(n_group), warp.groups(n_group, features.dtype)
        for part, group, kept_of_part, place in zip(parts, groups, torch.split(kept, n_group), places, strict=True):
            frames = part.to_warp(room[: len(kept_of_part)])
            energies.append(part.energy(frames))
            self._channels(part, frames, group, kept_of_part, place)
        return features, torch.cat(energies)

    def _features(self, spectrogram: Spectrogram, warp: Warp, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Finished channels (batch, channel, n_out, band), as they lie in memory, and energies (batch, frame)."""
        frames = spectrogram.to_warp()
        channels = self._channels(spectrogram, frames, warp, kept, [None] * self.n_channels)
        return torch.stack([channel.mT for channel in channels], dim=1), spectrogram.energy(frames)

    def _channels(
        self,
        spectrogram: Spectrogram,
        frames: Tensor,
        warp: Warp | Group,
        kept: Tensor,
        places: Sequence[Tensor | None],
    ) -> list[Tensor]:
        """Finished channels, each (batch, band, n_out), in their `places`."""
        warped, encoding = self._warped(warp, frames)
        channels = [spectrogram.finish(x, kept, place) for x, place in zip(warped, places, strict=False)]
        if encoding is not None:
            if self.encoding == "learnable":
                encoding = self.mix_encoding(encoding.mT).mT
            channels.append(encoding if places[-1] is None else places[-1].copy_(encoding))
        return channels

    def _warped(self, warp: Warp | Group, frames: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """What is merged of the frames, and E W^T: where in time each output lies, and how far it reaches.

        Each (batch, band, n_out).
        """
        positions = None
        if self.encoding != "none":
            positions = position_encoding(self.n_bands, frames.shape[-1], frames.device).to(frames.dtype)[None]
        if not self.max:
            return [warp.mean(frames)], None if positions is None else warp.mean(positions)
        if positions is None:
            mean, largest, encoding = *warp.mean_and_max(frames), None
        else:
            mean, largest, encoding = warp.mean_max_and_encoding(frames, positions)
        return [mean, largest] if self.mean else [largest], encoding

    def extra_repr(self) -> str:
        return f"n_bands={self.n_bands}, reduction={self.reduction:g}, n_kept={self.n_kept}"


def _share(kept: Tensor, n_out: int, spectrogram: Spectrogram) -> Tensor | float:
    """Kept frames (batch,) of the valid ones: float64 (batch, 1), or a number where all frames are valid, and known."""
    if spectrogram.lengths is None and not torch.compiler.is_compiling():
        return n_out / spectrogram.compressed.shape[-1]
    return (kept.clamp_min(1).to(torch.float64) / spectrogram.lengths_or_full.clamp_min(1))[:, None]


def _measures(
    importance: Tensor,
    below: Callable[[], Tensor],
    lengths: Tensor | None,
    normalizer: Tensor | float,
    guide_lambda: float,
) -> tuple[Tensor, Tensor]:
    """Guide loss and activeness, each (): importance (batch, frame), frames below epsilon, frames of each clip."""
    empty = below()
    active = ~empty
    if lengths is not None:
        valid = length_mask(lengths, importance.shape[1])
        empty, active = empty & valid, active & valid
    if isinstance(normalizer, Tensor):
        normalizer = normalizer.to(importance.dtype)
    loss = guide_loss(importance, empty, normalizer, guide_lambda)
    return loss, activeness(importance, active, normalizer)


def _may_wait(features: Tensor) -> bool:
    """Whether guide loss and activeness may be asked for later: not with gradients, in a graph or in CUDA's."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    return not (features.is_cuda and torch.cuda.is_current_stream_capturing())


def _n_group(spectrogram: Tensor) -> int | None:
    """How many clips of a spectrogram (batch, band, frame) are warped together: on a CPU, as stay in the cache.

    With gradients, or on another device, or in a graph, None: all, and nothing is written into its place.
    """
    n_clips, n_bands, n_frames = spectrogram.shape
    if torch.is_grad_enabled() or not eager_on_cpu(spectrogram):
        return None
    n_most = max(1, _GROUP_BYTES // (n_bands * n_frames * spectrogram.element_size()))
    return -(-n_clips // -(-n_clips // n_most))  # of groups alike


def _check(
    n_kept: int | None,
    rescaling: str,
    any_aggregate: bool,
    encoding: str,
    epsilon: float,
    normalizer: str,
    reduction: float,
) -> None:
    if n_kept is not None and n_kept < 1:
        raise UsageError(f"n_kept is {n_kept}; wanted at least one frame, or None for a share of each clip")
    if not any_aggregate:
        raise UsageError("mean and max are both left out; wanted at least one of them, or there are no features")
    if rescaling not in ("exact", "paper"):
        raise UsageError(f"rescaling is {rescaling!r}; wanted 'exact' or 'paper'")
    if encoding not in ("sinusoidal", "learnable", "none"):
        raise UsageError(f"encoding is {encoding!r}; wanted 'sinusoidal', 'learnable' or 'none'")
    if not epsilon > 0:
        raise UsageError(f"epsilon is {epsilon}; wanted a positive energy")
    if normalizer not in ("mean", "reduction"):
        raise UsageError(f"normalizer is {normalizer!r}; wanted 'mean' or 'reduction'")
    if normalizer == "reduction" and reduction == 0:
        raise UsageError("normalizer 'reduction' divides by a reduction of 0; wanted 'mean', or to save frames")
