"""The post's TIMBRE: one filter a class, and where it fits best."""

from __future__ import annotations

from torch import Tensor, nn

from tenuto.errors import UsageError
from tenuto.frontend.lengths import length_mask
from tenuto.models.backbones import Backbone, glorot
from tenuto.models.normalize import MaskedBatchNorm

FILTER_BANDS, PUBLISHED_BANDS = 108, 128  # a filter spans 108 of 128 bands: it slides over 21 positions
FILTER_FRAMES = 7


class Timbre(Backbone):
    """TIMBRE of the post (Pons et al., EUSIPCO 2017; arXiv 1810.10274): class scores, (batch, class).

    The input batch-normalised, one convolution with a filter a class of 108 bands x 7 frames, no activation, and the
    maximum over bands and frames. Its features are the logits: the head that follows is `ClassScores`.

    The flexible form (`n_frames=None`) takes any number of bands and frames, from one: filters span the published
    share of the bands (108 / 128) and slide over the rest, padded 'same' in time (7 of the clip's frames around each
    of its frames). Of a clip's padding nothing reaches the maximum.

    Args:
        n_frames: the fixed number of frames of the published form, without padding in time.
    """

    def __init__(self, in_channels: int, n_bands: int, n_classes: int, n_frames: int | None = None) -> None:
        super().__init__()
        if n_frames is not None and n_frames < FILTER_FRAMES:
            raise UsageError(
                f"Timbre's filters of {FILTER_FRAMES} frames do not fit into n_frames={n_frames}: "
                "leave n_frames out for the form that takes any size"
            )
        self.n_features, self.n_frames = n_classes, n_frames
        self.input_norm = MaskedBatchNorm(in_channels)
        kernel = (max(1, round(n_bands * FILTER_BANDS / PUBLISHED_BANDS)), FILTER_FRAMES)
        self.conv = nn.Conv2d(
            in_channels, n_classes, kernel, padding=(0, FILTER_FRAMES // 2 if n_frames is None else 0)
        )
        self.apply(glorot)

    @classmethod
    def published(cls, n_classes: int, in_channels: int = 1) -> Timbre:
        """128 bands x 128 frames: 7,572 parameters at 10 classes, and there is nothing behind them."""
        return cls(in_channels, 128, n_classes, n_frames=128)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """features (batch, channel, band, kept) -> logits (batch, class): the best fit of each class's filter."""
        if self.n_frames is not None:
            if features.shape[-1] != self.n_frames:
                raise UsageError(
                    f"Timbre was built for {self.n_frames} frames and got {features.shape[-1]}: "
                    "leave n_frames out for the form that takes any number"
                )
            lengths = None  # the published form sees a fixed excerpt whole
        fits = self.conv(self.input_norm(features, lengths))
        if lengths is not None:
            valid = length_mask(lengths.clamp_min(1), fits.shape[-1])  # a clip of no frames has a finite score too
            fits = fits.masked_fill(~valid[:, None, None, :], -float("inf"))
        best: Tensor = fits.amax((2, 3))
        return best
