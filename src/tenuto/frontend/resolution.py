"""Spectrogram to features of fewer frames: one interface, and the simple ways. DiffRes is in diffres.py."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn

from tenuto.errors import UsageError
from tenuto.frontend.compression import Compression
from tenuto.frontend.filterbanks import Filterbank
from tenuto.frontend.importance import EMPTY_BELOW, ResConv1d
from tenuto.frontend.lengths import (
    IntOrTensor,
    check_reduction,
    checked_lengths,
    eager_on_cpu,
    length_mask,
    longest_seen,
    n_kept,
    silent_beyond,
)
from tenuto.frontend.output import ResolutionOutput
from tenuto.frontend.spectrogram import Spectrogram
from tenuto.frontend.warp import Warp


class Resolution(nn.Module, ABC):
    """Supply `resolve`, and `kept` where frames are saved. One call for all:

    resolution(spectrogram, lengths=None, compression=None): with a compression the spectrogram is energies to be
    compressed by it, without one it is a log-mel (natural logarithm) already. -> ResolutionOutput, finished.
    """

    n_channels: int = 1
    merges: bool = True  # frames, of energies; False: all it reads is what is compressed
    looks: bool = True  # at what is compressed; False: all it reads is energies

    def __init__(self, reduction: float = 0.0) -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction = reduction
        self.epsilon = EMPTY_BELOW

    @abstractmethod
    def resolve(self, spectrogram: Spectrogram, empty: Tensor | None) -> ResolutionOutput:
        """What `forward` does, once its arguments are one Spectrogram."""

    def kept(self, n_frames: IntOrTensor) -> IntOrTensor:
        """Frames kept of clips of so many frames."""
        return n_kept(n_frames, self.reduction)

    def prepare(self, filterbank: Filterbank) -> Filterbank:
        """The filterbank this resolution wants before it: the one that came in, but for ChangeHop."""
        return filterbank

    def forward(
        self,
        spectrogram: Tensor,
        lengths: Tensor | None = None,
        compression: Compression | None = None,
        empty: Tensor | None = None,
        overwrite: bool = False,
    ) -> ResolutionOutput:
        """Spectrogram (batch, band, frame), lengths int (batch,) valid frames, best on a CPU -> ResolutionOutput.

        empty bool (batch, frame): which frames are empty, where that was to be seen before an augmentation.
        overwrite: nobody else reads the spectrogram, so that without gradients it may be written into.
        float32 or float64, whatever autocast says. Raises UsageError for shapes that do not fit.
        """
        if spectrogram.dim() != 3 or not spectrogram.is_floating_point() or 0 in spectrogram.shape:
            raise UsageError(
                f"spectrogram is {spectrogram.dtype} {tuple(spectrogram.shape)}; "
                "wanted a float tensor (batch, band, frame) of at least one frame"
            )
        checked = checked_lengths(lengths, spectrogram, "frame")
        longest = None if lengths is None else longest_seen(lengths)
        if spectrogram.dtype in (torch.float16, torch.bfloat16):
            spectrogram = spectrogram.float()
        self._check_weights(spectrogram.dtype)
        overwrite = overwrite and not self.merges and not torch.is_grad_enabled() and eager_on_cpu(spectrogram)
        given = spectrogram, checked, compression, overwrite, self.looks, longest
        if not torch.compiler.is_compiling() and not torch.is_autocast_enabled(spectrogram.device.type):
            return self.resolve(Spectrogram.of(*given), empty)
        with torch.autocast(spectrogram.device.type, enabled=False):  # which takes time
            return self.resolve(Spectrogram.of(*given), empty)

    def _check_weights(self, dtype: torch.dtype) -> None:
        weight = next(self.parameters(), None)
        if weight is not None and weight.dtype != dtype:
            raise UsageError(
                f"the spectrogram is {dtype}, the weights of {type(self).__name__} are {weight.dtype}; wanted float32 "
                "or float64 of both: for half precision leave the weights as they are and use torch.autocast"
            )

    def kept_of(self, spectrogram: Spectrogram) -> tuple[Tensor, int]:
        """Kept frames of each clip, int64 (batch,), and the largest of them, which the features have.

        In a graph (torch.compile, torch.export) those of a clip as long as the batch is.
        """
        if spectrogram.lengths is None and not torch.compiler.is_compiling():
            n_clips, _, n_frames = spectrogram.compressed.shape
            n_out = self.kept(n_frames)
            return torch.full((n_clips,), n_out, device=spectrogram.compressed.device), n_out
        kept = self.kept(spectrogram.lengths_or_full)
        if spectrogram.lengths is None or torch.compiler.is_compiling():  # a graph has shapes, not values
            return kept, self.kept(spectrogram.compressed.shape[-1])
        return kept, max(1, int(kept.max()) if spectrogram.longest is None else self.kept(spectrogram.longest))

    def extra_repr(self) -> str:
        return f"reduction={self.reduction:g}"


class FullResolution(Resolution):
    """Every frame is kept: spectrogram (batch, band, frame) -> features (batch, 1, band, frame), compressed."""

    merges = False

    def kept(self, n_frames: IntOrTensor) -> IntOrTensor:
        """Every frame: of ChangeHop, of the coarse filterbank."""
        return n_frames

    def resolve(self, spectrogram: Spectrogram, empty: Tensor | None) -> ResolutionOutput:
        """All frames, compressed, zero beyond the clip, and no longer than the longest clip."""
        frames, n_out = self.kept_of(spectrogram)
        return _plain_output(spectrogram.compressed[..., :n_out], frames, spectrogram, None)


class ChangeHop(FullResolution):
    """The paper's CHSize: a filterbank of hop round(hop / (1 - reduction)), and nothing behind it.

    Inside a Frontend the filterbank is replaced by the coarser one, whatever its window; called by itself on a
    spectrogram, which it takes to be the coarse one, it keeps every frame.
    """

    def __init__(self, reduction: float = 0.75) -> None:
        super().__init__(reduction)

    def prepare(self, filterbank: Filterbank) -> Filterbank:
        """The same filterbank at the larger hop, in whole samples."""
        return filterbank.with_hop(round(filterbank.hop_length / (1 - self.reduction)))


class AvgPool(Resolution):
    """Uniform warp, which is average pooling to any number of frames: features (batch, 1, band, kept).

    of="energies" pools energies, then compresses; "compressed" pools the compressed spectrogram, as the authors'
    release does.
    """

    def __init__(self, reduction: float = 0.75, of: Literal["energies", "compressed"] = "energies") -> None:
        super().__init__(reduction)
        if of not in ("energies", "compressed"):
            raise UsageError(f"of is {of!r}; wanted 'energies' or 'compressed'")
        self.of = of
        self.looks = of == "compressed"

    def resolve(self, spectrogram: Spectrogram, empty: Tensor | None) -> ResolutionOutput:
        """Average the frames each output owns."""
        kept, n_out = self.kept_of(spectrogram)
        importance = uniform_importance(spectrogram, kept)
        warp = Warp(importance, n_out)
        if self.of == "energies":
            features = spectrogram.finish(warp.mean(spectrogram.to_warp()), kept)
        else:
            features = warp.mean(silent_beyond(spectrogram.compressed, spectrogram.valid))
        return _plain_output(features, kept, spectrogram, importance)


class ConvAvgPool(Resolution):
    """Compress, three ResConv1d of n_bands channels, pool: features (batch, 1, n_bands, kept).

    493,824 parameters at 128 bands (Table 6).
    """

    def __init__(self, n_bands: int, reduction: float = 0.75) -> None:
        super().__init__(reduction)
        self.blocks = nn.ModuleList([ResConv1d(n_bands, n_bands) for _ in range(3)])

    def resolve(self, spectrogram: Spectrogram, empty: Tensor | None) -> ResolutionOutput:
        """Average what the convolutions made of the frames each output owns."""
        kept, n_out = self.kept_of(spectrogram)
        importance = uniform_importance(spectrogram, kept)
        valid = spectrogram.valid
        x = silent_beyond(spectrogram.compressed, valid)
        valid = None if valid is None else valid.to(x.dtype)
        x = x.mT.contiguous().mT[:, :, None]  # as in FrameImportance
        for block in self.blocks:
            x = block(x, valid)
        return _plain_output(Warp(importance, n_out).mean(x[:, :, 0]), kept, spectrogram, importance)


def uniform_importance(spectrogram: Spectrogram, kept: Tensor) -> Tensor:
    """The same for every valid frame, kept / valid frames of its clip: (batch, frame), 0 beyond the clip."""
    share = kept.to(torch.float64) / spectrogram.lengths_or_full.clamp_min(1)  # float32 would add up to less
    every = share[:, None].expand(-1, spectrogram.compressed.shape[-1])
    return every if spectrogram.valid is None else every * spectrogram.valid


def mask_kept(features: Tensor, kept: Tensor, lengths: Tensor | None) -> Tensor:
    """Zero beyond each clip's kept frames: features (batch, channel, band, kept). Nothing to do without lengths."""
    if lengths is None:
        return features
    return features.masked_fill(~length_mask(kept, features.shape[-1])[:, None, None], 0)


def _plain_output(
    features: Tensor, kept: Tensor, spectrogram: Spectrogram, importance: Tensor | None
) -> ResolutionOutput:
    """Features (batch, band, kept) of a resolution that learns no importance -> its output, of one channel."""
    nothing = features.new_zeros(())
    masked = mask_kept(features[:, None], kept, spectrogram.lengths)
    importance = None if importance is None else importance.to(features.dtype)
    return ResolutionOutput(masked, kept, importance, nothing, nothing)
