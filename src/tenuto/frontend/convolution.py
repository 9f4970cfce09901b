"""What the learnable filterbanks share: where their frames lie, and the direct form, sample by sample.

The published LEAF pads as TensorFlow's "same" does: frames lie evenly between the ends of the clip, which at
clips of whole hops puts frame k's centre in the middle of its hop:

    samples           |0        hop       2 hop     3 hop|     ceil(samples / hop) frames
    window of 0   [-------+-------]
    window of 1             [-------+-------]
    window of 2                       [-------+-------]

`line_up` shifts every clip so that frame k's window begins at sample k x hop; a clip's own length decides how
far, so that neither its batch nor its padding does. What a filter says outside the clip counts as zero.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from tenuto.frontend.lengths import largest_of, n_frames

Alignment = Literal["published", "centred"]  # centred: frame k at sample k x hop, as MelSpectrogram has it


class LinedUp(NamedTuple):
    """Clips shifted so that the window of frame k is samples [k hop, k hop + window) of what filters say.

    Around that stand the samples that a filter as long as the window reaches for: (window - 1) // 2 before it and
    window // 2 behind.
    """

    samples: Tensor  # (batch, (frame - 1) hop + 2 window - 1), zero outside the clip
    inside: Tensor  # bool (batch or 1, (frame - 1) hop + window), true where a filter's centre lies in the clip
    frames: Tensor  # (batch or 1,) valid frames of each clip
    n_frames: int  # of the batch
    before: Tensor  # (batch or 1,) samples under each clip's windows that lie before it
    behind: Tensor  # and behind it


def line_up(waveforms: Tensor, lengths: Tensor | None, window: int, hop: int, alignment: Alignment) -> LinedUp:
    """Waveforms (batch, samples) and lengths (batch,) or None -> LinedUp."""
    n_samples = waveforms.shape[1]
    n = n_frames(n_samples, hop)
    n_lined = (n - 1) * hop + window
    reach = (window - 1) // 2
    if lengths is None:  # one shift for all, of which no device need be asked
        start = reach if alignment == "centred" else largest_of(n_lined - n_samples, 0) // 2
        inside = F.pad(waveforms.new_ones(1, n_samples, dtype=torch.bool), (start, n_lined - start - n_samples))
        samples = F.pad(waveforms, (reach + start, n_lined + window - 1 - reach - start - n_samples))
        each = (n, start, largest_of(n_lined - start - n_samples, 0))
        frames, before, behind = (torch.full((1,), number, device=waveforms.device) for number in each)
        return LinedUp(samples, inside, frames, n, before, behind)
    frames = n_frames(lengths, hop)
    before = ((frames - 1) * hop + window - lengths).clamp_min(0) // 2
    if alignment == "centred":
        before = torch.full_like(before, reach)
    behind = ((frames - 1) * hop + window - before - lengths).clamp_min(0)
    index = torch.arange(n_lined + window - 1, device=waveforms.device) - reach - before[:, None]
    inside = (index >= 0) & (index < lengths[:, None])
    samples = waveforms.gather(1, index.clamp(0, n_samples - 1)).masked_fill(~inside, 0)
    return LinedUp(samples, inside[:, reach : reach + n_lined], frames, n, before, behind)


def correlate(padded: Tensor, filters: Tensor) -> Tensor:
    """padded (batch, samples + size - 1) and real filters (band, size) -> (batch, band, samples)."""
    return F.conv1d(padded[:, None], filters[:, None])


def squared_modulus(padded: Tensor, filters: Tensor) -> Tensor:
    """padded (batch, samples + size - 1) and complex filters (band, size) -> energies (batch, band, samples)."""
    parts = correlate(padded, torch.cat([filters.real, filters.imag])).square()
    n_bands = filters.shape[0]
    return parts[:, :n_bands] + parts[:, n_bands:]


def pool(values: Tensor, windows: Tensor, hop: int) -> Tensor:
    """values (batch, band, samples) under windows (band, size), one each hop -> (batch, band, frame)."""
    return F.conv1d(values, windows[:, None], stride=hop, groups=values.shape[1])


def direct_energies(lined: LinedUp, filters: Tensor, windows: Tensor, hop: int) -> Tensor:
    """LEAF by its definition: complex filters (band, size), squared modulus, windows -> (batch, band, frame)."""
    energies = squared_modulus(lined.samples, filters)
    return pool(energies.masked_fill(~lined.inside[:, None], 0), windows, hop)


def with_ends(whole: Tensor, lined: LinedUp, filters: Tensor, windows: Tensor, hop: int) -> Tensor:
    """whole (batch, band, frame), less what filters say outside the clip, where a frame's window reaches there.

    A clip's end is its beginning, turned round: filters are symmetric but for the sign of phases.
    """
    window = filters.shape[1]
    n_lined = (lined.frames - 1) * hop + window  # samples under windows, of each clip (batch or 1,)
    n_outside = int(torch.maximum(lined.before, lined.behind).max())
    if n_outside == 0:
        return whole.clamp_min(0)
    n_ends = min(-(-n_outside // hop), lined.n_frames)  # frames at each end
    reach = torch.arange(n_outside + window - 1, device=whole.device)
    starts = lined.samples[:, : len(reach)]
    index = ((n_lined + window - 2)[:, None] - reach).clamp_min(0)  # an empty clip has no end: no frame hears of it
    ends = lined.samples.gather(1, index.expand(len(starts), -1))
    energies = squared_modulus(torch.stack([starts, ends], 1).flatten(0, 1), filters)  # (batch x side, band, sample)
    outside = reach[:n_outside] < torch.stack([lined.before, lined.behind], 1)[..., None]  # (batch or 1, side, sample)
    energies = energies.view(len(starts), 2, *energies.shape[1:]) * outside[:, :, None]
    shares = [(energies[..., k * hop :] * windows[:, : n_outside - k * hop]).sum(-1) for k in range(n_ends)]
    frame = torch.arange(n_ends, device=whole.device).expand(len(lined.frames), -1)
    frames = torch.stack([frame, (lined.frames - 1)[:, None] - frame], 1)[:, :, None]  # (batch or 1, side, 1, frame)
    excess = torch.stack(shares, -1) * (frames >= 0)
    index = frames.clamp_min(0).expand(excess.shape)
    return whole.scatter_add(2, index.transpose(1, 2).flatten(2), -excess.transpose(1, 2).flatten(2)).clamp_min(0)
