"""SpecAugment (arXiv 1904.08779) on energies, in training only."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tenuto.errors import UsageError
from tenuto.frontend.lengths import full_lengths, length_mask

_SMALLEST = 1e-10  # energies below this do not pull the geometric mean further down


class SpecAugment(nn.Module):
    """Sets one stripe of bands and one of frames to the clip's geometric mean energy, so that nothing stands out.

    Widths are uniform from 0 to share_of_bands of the bands (48 of 128) and to share_of_frames of the clip's own
    valid frames (half). The identity in evaluation. Raises UsageError for shares outside [0, 1].
    """

    def __init__(self, share_of_bands: float = 0.375, share_of_frames: float = 0.5) -> None:
        super().__init__()
        if not (0 <= share_of_bands <= 1 and 0 <= share_of_frames <= 1):
            raise UsageError(
                f"share_of_bands {share_of_bands}, share_of_frames {share_of_frames}; wanted shares from 0 to 1"
            )
        self.share_of_bands, self.share_of_frames = share_of_bands, share_of_frames

    def forward(self, energies: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Energies (batch, band, frame), lengths (batch,) in frames -> the same shape; padding stays zero."""
        if not self.training:
            return energies
        lengths = full_lengths(energies) if lengths is None else lengths
        valid = length_mask(lengths, energies.shape[-1])[:, None]
        n_cells = (lengths * energies.shape[1]).clamp_min(1)
        logs = energies.detach().clamp_min(_SMALLEST).log() * valid
        mean = torch.exp(logs.sum((1, 2)) / n_cells)[:, None, None]
        bands = _stripe(torch.full_like(lengths, energies.shape[1]), energies.shape[1], self.share_of_bands)
        frames = _stripe(lengths, energies.shape[2], self.share_of_frames)
        masked = (bands[:, :, None] | frames[:, None, :]) & valid
        return torch.where(masked, mean, energies)


def _stripe(lengths: Tensor, n: int, share: float) -> Tensor:
    """A random stripe of each clip's `lengths` (batch,) places, at most `share` of them: bool (batch, n)."""
    width_draw, start_draw = torch.rand(2, len(lengths), device=lengths.device)
    width = torch.floor(width_draw * (share * lengths + 1)).clamp_max(share * lengths)
    start = torch.floor(start_draw * (lengths - width + 1))
    place = torch.arange(n, device=lengths.device)
    return (place >= start[:, None]) & (place < (start + width.floor())[:, None])
