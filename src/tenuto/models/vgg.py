"""The post's VGG: five small layers, which classify by a dense layer or embed for prototypes."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from tenuto.errors import UsageError
from tenuto.frontend.lengths import length_mask, scale_lengths
from tenuto.models.backbones import Backbone, glorot
from tenuto.models.normalize import MaskedBatchNorm

N_LAYERS = 5
STRIDE: int = 2**N_LAYERS  # frames of the features behind a frame of the maps


class VGG(Backbone):
    """VGG of the post (Pons, Serra and Serra 2018, arXiv 1810.10274), up to its last maximum pooling.

    The input batch-normalised, then five times: 3 x 3 convolution, ELU, batch norm, maximum pooling by 2 x 2. The
    dropout of 0.5 and the dense layer that follow are the head's: `MeanPooling` (the post's VGG, 32 filters) or
    `Prototypes` (its prototypical networks, 128 filters).

    The flexible form (`n_frames=None`) takes any number of bands and frames, from one: pooling rounds up and the
    bands that are left become features, so that the head's dense layer spans all bands of one frame and is averaged
    over time. It sees valid frames alone: in evaluation mode maps do not depend on padding.

    Args:
        n_filters: of each layer; the post's: 32, for prototypes 128.
        n_frames: the fixed number of frames of the published form, whose dense layer spans all frames too.

    Raises:
        UsageError: where nothing is left of bands and frames.
    """

    def __init__(self, in_channels: int, n_bands: int, n_filters: int = 32, n_frames: int | None = None) -> None:
        super().__init__()
        if n_filters < 1:
            raise UsageError(f"VGG with n_filters={n_filters}, wanted at least 1 (the post's: 32 or 128)")
        self.n_frames = n_frames
        self.input_norm = MaskedBatchNorm(in_channels)
        widths = [in_channels] + [n_filters] * N_LAYERS
        layers = [_Layer(n_in, n_out, same=n_frames is None) for n_in, n_out in pairwise(widths)]
        self.layers = nn.ModuleList(layers)
        self.n_features = n_filters * self._cells(n_bands)
        if not self.n_features:
            raise UsageError(
                f"VGG halves bands and frames five times, which leaves nothing of {n_bands} bands x {n_frames} frames: "
                "leave n_frames out for the form that takes any size"
            )
        self.apply(glorot)

    def _cells(self, n_bands: int) -> int:
        """Cells of the last maps that one vector of features holds."""
        if self.n_frames is None:
            return -(-n_bands // STRIDE)
        return (n_bands // STRIDE) * (self.n_frames // STRIDE)

    @classmethod
    def published(cls, in_channels: int = 1, n_filters: int = 32) -> VGG:
        """128 bands x 128 frames: 42,764 parameters with the dense layer of 10 classes, at 32 filters."""
        return cls(in_channels, 128, n_filters, n_frames=128)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """features (batch, channel, band, kept) -> maps (batch, filter x band', 1, ceil(kept / 32)).

        In the published form: (batch, filter x band' x frame').
        """
        if self.n_frames is not None:
            if features.shape[-1] != self.n_frames:
                raise UsageError(
                    f"VGG was built for {self.n_frames} frames and got {features.shape[-1]}: "
                    "leave n_frames out for the form that takes any number"
                )
            lengths = None  # the published form sees a fixed excerpt whole
        maps = self.input_norm(features, lengths)
        for layer in self.layers:
            maps = layer(maps, lengths)
            lengths = None if lengths is None else (lengths + 1) // 2
        if self.n_frames is not None:
            vectors: Tensor = maps.flatten(1)
            return vectors
        folded: Tensor = maps.flatten(1, 2).unsqueeze(2)
        return folded

    def map_lengths(self, lengths: Tensor, n_kept: int, n_out: int) -> Tensor:
        """lengths (batch,) -> ceil(lengths / 32), whatever the padding behind them."""
        return scale_lengths(lengths, STRIDE * n_out, n_out)


class _Layer(nn.Module):
    """Convolution 3 x 3 padded 'same', ELU, batch norm, maximum pooling 2 x 2, in this order."""

    def __init__(self, n_in: int, n_out: int, *, same: bool) -> None:
        super().__init__()
        self.same = same
        self.conv = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.norm = MaskedBatchNorm(n_out)

    def forward(self, maps: Tensor, lengths: Tensor | None) -> Tensor:
        """maps (batch, n_in, band, frame) -> (batch, n_out, band / 2, frame / 2), zero beyond each length."""
        maps = self.norm(F.elu(self.conv(maps)), lengths)
        if lengths is None:
            return F.max_pool2d(maps, 2, ceil_mode=self.same)
        # batch norm gives both signs: the zeros of the padding must not win against a clip's last frame
        maps = maps.masked_fill(~length_mask(lengths, maps.shape[-1])[:, None, None, :], -float("inf"))
        pooled = F.max_pool2d(maps, 2, ceil_mode=self.same)
        return pooled.masked_fill(~length_mask((lengths + 1) // 2, pooled.shape[-1])[:, None, None, :], 0)
