"""Guide loss and activeness under the normaliser that the training does not use, for figures that show both."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tenuto.frontend.diffres import DiffRes
from tenuto.frontend.importance import activeness, frame_energy, guide_loss
from tenuto.frontend.lengths import full_lengths, length_mask, moved
from tenuto.frontend.output import ResolutionOutput
from tenuto.frontend.resolution import Resolution


class OtherNormalizer:
    """Listens to a DiffRes while it trains, and to nothing where it is none or gives up no frames.

    The two normalisers are the mean importance ("mean", the authors' code) and the reduction ("reduction", as
    printed in Eqs. 4 and 7).
    """

    def __init__(self, resolution: Resolution) -> None:
        self.steps: list[Tensor] = []  # of each step: clips, then guide loss and activeness times clips
        self.name = ""
        self._hook = None
        if isinstance(resolution, DiffRes) and resolution.reduction > 0:
            self.name = "reduction" if resolution.normalizer == "mean" else "mean"
            self._hook = resolution.register_forward_hook(self._listen)

    def _listen(self, layer: nn.Module, args: tuple[Any, ...], output: ResolutionOutput) -> None:
        if not layer.training:
            return
        assert isinstance(layer, DiffRes)
        with torch.no_grad():
            values = torch.stack(measures(layer, output, *args)) * len(output.lengths)
            self.steps.append(torch.cat([values.new_full((1,), len(output.lengths)), values]))

    def means(self) -> dict[str, float]:
        """Guide loss and activeness a clip since the last call, by name; nothing where there is nothing."""
        if not self.steps:
            return {}
        n_clips, *sums = torch.stack(self.steps).double().sum(0).tolist()
        self.steps.clear()
        names = (f"guide_loss_by_{self.name}", f"activeness_by_{self.name}")
        return dict(zip(names, (value / n_clips for value in sums), strict=True))

    def close(self) -> None:
        """Listens no longer."""
        if self._hook is not None:
            self._hook.remove()


def measures(
    layer: DiffRes,
    output: ResolutionOutput,
    energies: Tensor,
    lengths: Tensor | None = None,
    compression: object = None,
    empty: Tensor | None = None,
) -> list[Tensor]:
    """Guide loss () and activeness () of a call of `layer` inside a front end, under its other normaliser."""
    assert compression is not None, "a spectrogram that is compressed already has other energies"
    assert output.importance is not None
    frames = full_lengths(output.importance) if lengths is None else moved(lengths, output.importance.device)
    valid = length_mask(frames, output.importance.shape[1])
    empty = frame_energy(energies.float()) < layer.epsilon if empty is None else empty
    normalizer: Tensor | float = layer.reduction
    if layer.normalizer == "reduction":
        normalizer = (output.lengths / frames.clamp_min(1)).clamp_min(torch.finfo(torch.float32).tiny)[:, None]
    importance = output.importance.float()
    loss = guide_loss(importance, empty & valid, normalizer, layer.guide_lambda)
    return [loss, activeness(importance, ~empty & valid, normalizer)]
