"""Features to maps: what every backbone promises, SBCNN (trains in minutes on two cores), any timm model."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenuto.errors import UsageError
from tenuto.frontend.lengths import is_exporting, largest_of, length_mask, scale_lengths
from tenuto.models.normalize import MaskedBatchNorm
from tenuto.models.timm_models import create


class Backbone(nn.Module, ABC):
    """features (batch, channel, band, kept) -> maps (batch, feature, band', frame') or (batch, feature)."""

    n_features: int

    @abstractmethod
    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """features (batch, channel, band, kept), lengths (batch,) valid kept frames -> maps or vectors."""

    def map_lengths(self, lengths: Tensor, n_kept: int, n_out: int) -> Tensor:
        """lengths (batch,) of `n_kept` frames -> (batch,) valid frames of the `n_out` frames of the maps."""
        return scale_lengths(lengths, n_kept, n_out)


def glorot(module: nn.Module) -> None:
    """Glorot's uniform weights and zero biases, as the small models were published with; for `Module.apply`."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class SBCNN(Backbone):
    """SB-CNN (Salamon and Bello 2017; the post's "SB-CNN"), up to its dense layer of 64 units.

    Three 5 x 5 convolutions of 24, 48 and 48 filters with ReLU, maximum pooling by 4 in time and 2 in
    frequency after the first two, a dense layer of 64 with ReLU and dropout 0.5 before it. The dropout before
    the output and the output itself are the head's (`MeanPooling`, dropout 0.5).

    The flexible form (`n_frames=None`) takes any number of bands and frames, from one. What differs from the
    published one: convolutions pad 'same', pooling rounds up, the dense layer spans all bands and one frame,
    so that the head pools over time; a batch norm follows each convolution (`batch_norm`: not published,
    needed to train within a few hundred steps); each input channel is brought to mean 0 and variance 1 first
    (`input_norm`). All of it sees valid frames alone: in evaluation mode maps do not depend on padding.

    Args:
        n_frames: the fixed number of frames of the published form: valid convolutions, one map of 1 x 1.
    """

    def __init__(
        self,
        in_channels: int,
        n_bands: int,
        n_frames: int | None = None,
        *,
        batch_norm: bool = True,
        input_norm: bool = True,
    ) -> None:
        super().__init__()
        self.n_features, self.n_frames = 64, n_frames
        self.input_norm = MaskedBatchNorm(in_channels) if input_norm else None
        same = n_frames is None
        self.blocks = nn.ModuleList(
            [
                _Block(in_channels, 24, pooled=True, same=same, batch_norm=batch_norm),
                _Block(24, 48, pooled=True, same=same, batch_norm=batch_norm),
                _Block(48, 48, pooled=False, same=same, batch_norm=batch_norm),
            ]
        )
        bands, frames = n_bands, n_frames or 1
        for block in self.blocks:
            assert isinstance(block, _Block)
            bands, frames = block.n_out(bands, block.band_pool), block.n_out(frames, block.frame_pool)
        if min(bands, frames) < 1:
            raise UsageError(
                f"SBCNN with valid convolutions has nothing left of {n_bands} bands x {n_frames} frames: "
                "leave n_frames out for the form that takes any size"
            )
        self.dropout = nn.Dropout(0.5)
        self.dense = nn.Conv2d(48, self.n_features, (bands, frames))
        if n_frames is not None:
            self.apply(glorot)

    @classmethod
    def published(cls, in_channels: int = 1) -> SBCNN:
        """128 bands x 128 frames, valid convolutions, no norms: 240,784 parameters and the output's."""
        return cls(in_channels, n_bands=128, n_frames=128, batch_norm=False, input_norm=False)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """features (batch, channel, band, kept) -> maps (batch, 64, 1, ceil(kept / 16))."""
        if self.n_frames is not None and features.shape[-1] != self.n_frames:
            raise UsageError(
                f"SBCNN was built for {self.n_frames} frames and got {features.shape[-1]}: "
                "leave n_frames out for the form that takes any number"
            )
        if self.n_frames is not None:
            lengths = None  # the published form sees a fixed excerpt whole
        maps = features if self.input_norm is None else self.input_norm(features, lengths)
        for block in self.blocks:
            assert isinstance(block, _Block)
            maps = block(maps, lengths)
            if lengths is not None:
                lengths = (lengths + block.frame_pool - 1) // block.frame_pool
        return F.relu(self.dense(self.dropout(maps)))

    def map_lengths(self, lengths: Tensor, n_kept: int, n_out: int) -> Tensor:
        """lengths (batch,) -> ceil(lengths / 16), whatever the padding behind them (or 1, as published)."""
        return scale_lengths(lengths, 16 * n_out, n_out)


class _Block(nn.Module):
    """Convolution 5 x 5, batch norm or none, maximum pooling 2 (band) x 4 (frame) or none, ReLU."""

    def __init__(self, n_in: int, n_out: int, *, pooled: bool, same: bool, batch_norm: bool) -> None:
        super().__init__()
        self.same = same
        self.band_pool, self.frame_pool = (2, 4) if pooled else (1, 1)
        self.conv = nn.Conv2d(n_in, n_out, 5, padding=2 if same else 0)
        self.norm = MaskedBatchNorm(n_out) if batch_norm else None

    def n_out(self, n: int, pool: int) -> int:
        """Bands or frames that come out of `n` when pooled by `pool`."""
        return -(-n // pool) if self.same else (n - 4) // pool

    def forward(self, maps: Tensor, lengths: Tensor | None) -> Tensor:
        """maps (batch, n_in, band, frame) -> (batch, n_out, band', frame'), zero beyond each length.

        ReLU follows the pooling, to which it makes no difference, and of eight numbers one is left.
        """
        maps = F.conv2d(maps, _as_liked(self.conv.weight), self.conv.bias, padding=self.conv.padding)
        if self.norm is not None:
            maps = self.norm(maps, lengths)
        elif lengths is not None:
            maps = maps * length_mask(lengths, maps.shape[-1])[:, None, None, :]
        if self.frame_pool > 1:
            maps = F.max_pool2d(maps, (self.band_pool, self.frame_pool), ceil_mode=self.same)
        return F.relu(maps)


def _as_liked(images: Tensor) -> Tensor:
    """The same features or weights, on a CPU a pixel's channels together, as convolutions then leave their maps.

    Much faster or a little, as the network is (benchmarks/backbone_layout.py). Copied always: of one channel
    `contiguous` says that it lies so already, and convolutions do not see it.
    """
    if images.device.type != "cpu" or is_exporting():
        return images
    return images.clone(memory_format=torch.channels_last)


class TimmBackbone(Backbone):
    """Any timm model, by name, up to its last maps (convolutional networks) or the mean of its tokens.

    EfficientNet, MobileNet, ResNet and others take any size down to one frame. What another needs is found by
    trying when it is built: features are padded with zeros at the ends to its least size, or to multiples of
    its stride.

    Args:
        in_channels: of the features; pretrained weights are spread over them as timm does.
        input_norm: bring each input channel to mean 0 and variance 1 over valid cells first
            (`MaskedBatchNorm`, which is not part of the timm model).

    Raises:
        UsageError: an unknown name (with the nearest ones), one without the weights wanted, a model
            bound to images of one size.
        WorkError: the pretrained weights cannot be had (no network).
    """

    def __init__(self, name: str, in_channels: int, pretrained: bool = False, *, input_norm: bool = True) -> None:
        super().__init__()
        self.name = name
        self.input_norm = MaskedBatchNorm(in_channels) if input_norm else None
        self.model = create(name, in_channels, pretrained)
        self.n_prefix_tokens = int(getattr(self.model, "num_prefix_tokens", 0))
        self.n_features, self.least_size, self.multiple = self._try_sizes(in_channels)

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> Tensor:
        """features (batch, channel, band, kept) -> maps (batch, feature, band', frame') or vectors."""
        if self.input_norm is not None:
            features = self.input_norm(features, lengths)
        n_bands, n_kept = features.shape[-2:]
        more = (0, self._padded(n_kept) - n_kept, 0, self._padded(n_bands) - n_bands)
        if is_exporting():
            return self._features(F.pad(features, more))
        return self._features(_as_liked(F.pad(features, more) if any(more) else features))

    def map_lengths(self, lengths: Tensor, n_kept: int, n_out: int) -> Tensor:
        """lengths (batch,) of `n_kept` frames -> (batch,) valid frames of the maps' `n_out`."""
        return scale_lengths(lengths, self._padded(n_kept), n_out)

    def _padded(self, n: int) -> int:
        return -(-largest_of(n, self.least_size) // self.multiple) * self.multiple

    def _features(self, features: Tensor) -> Tensor:
        """Maps with features second, or vectors: the mean of the tokens (batch, token, feature)."""
        maps: Tensor = self.model.forward_features(features)  # type: ignore[operator]
        if maps.ndim == 3:
            return maps[:, self.n_prefix_tokens :].mean(1)
        if getattr(self.model, "output_fmt", "NCHW") == "NHWC":
            return maps.permute(0, 3, 1, 2)
        return maps

    @torch.no_grad()
    def _try_sizes(self, in_channels: int) -> tuple[int, int, int]:
        """Number of features, least size and multiple of the model, by trying the most permissive first."""
        stride = max((int(info["reduction"]) for info in getattr(self.model, "feature_info", [])), default=32)
        like = next(self.model.parameters())
        self.model.eval()
        for least, multiple in ((1, 1), (stride, 1), (stride, stride)):
            try:
                for size in ((least, least), (2 * stride + 1, stride + 3)):
                    bands, frames = (-(-n // multiple) * multiple for n in size)
                    maps = self._features(like.new_zeros(1, in_channels, bands, frames))
            except (RuntimeError, AssertionError, ValueError, TypeError, IndexError):
                continue
            self.model.train()
            return maps.shape[1], least, multiple
        raise UsageError(
            f"backbone {self.name!r} takes images of one size, not spectrograms of any: "
            "choose a convolutional network (efficientnet_b2, mobilenetv3_small_100) or a vit_ model"
        )
