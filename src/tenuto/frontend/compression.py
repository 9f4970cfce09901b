"""What makes energies small numbers: log(alpha x + beta), fixed or learned, and layer norm over bands."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tenuto.errors import UsageError
from tenuto.frontend.lengths import eager_on_cpu

EPS = 1.19e-7  # float32's machine epsilon, the post's "eps"
START_ALPHA_GATE, START_BETA_GATE = 7.0, 1.0  # the post: alpha = exp(7) = 1096.63, beta = softplus(1) = 1.31
_MANY_THREADS = 4


class Compression(nn.Module, ABC):
    """Energies (batch, band, frame) -> the same shape.

    along_time is False where a frame is compressed by itself: such a compression follows the warp. True where
    it looks along time (PCEN): it runs once, over even frames, and its non-negative output is what is warped.
    """

    along_time: bool = False

    @abstractmethod
    def forward(self, energies: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Energies (batch, band, frame) >= 0, lengths (batch,) in frames -> compressed (batch, band, frame)."""

    def overwrite(self, energies: Tensor, lengths: Tensor | None = None) -> Tensor:
        """As `forward`, of energies that nobody reads again: they may become the result. Without gradients."""
        compressed: Tensor = self(energies, lengths)
        return compressed


class LogCompression(Compression):
    """log(alpha x + beta), natural logarithm, of energies x >= 0 of any shape.

    Fixed: (alpha, beta) = (1, 1.19e-7) by default, (10000, 1) is the other common pair. Learnable (the post):
    alpha = exp(a) and beta = softplus(b), so that both stay positive; a and b start at 7 and 1, where alpha is
    1096.63 and beta 1.31, unless alpha or beta say otherwise.

    Raises UsageError unless alpha and beta are positive.
    """

    alpha_gate: Tensor
    beta_gate: Tensor

    def __init__(self, alpha: float | None = None, beta: float | None = None, learnable: bool = False) -> None:
        super().__init__()
        for name, value in (("alpha", alpha), ("beta", beta)):
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise UsageError(f"{name} is {value}; wanted a positive number, since log({name} ...) is taken")
        self.learnable = learnable
        self._fixed = (1.0 if alpha is None else alpha, EPS if beta is None else beta)
        if learnable:
            a = START_ALPHA_GATE if alpha is None else math.log(alpha)
            b = START_BETA_GATE if beta is None else beta + math.log(-math.expm1(-beta))  # softplus's inverse
            self.alpha_gate = nn.Parameter(torch.tensor(a))
            self.beta_gate = nn.Parameter(torch.tensor(b))

    @property
    def alpha(self) -> Tensor:
        """Behind its exponential gate: a positive scalar ()."""
        return torch.exp(self.alpha_gate) if self.learnable else torch.tensor(self._fixed[0])

    @property
    def beta(self) -> Tensor:
        """Behind its softplus gate: a positive scalar ()."""
        return F.softplus(self.beta_gate) if self.learnable else torch.tensor(self._fixed[1])

    def forward(self, energies: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Energies (batch, band, frame) >= 0 -> log(alpha x + beta), the same shape."""
        if self.learnable:
            return torch.log(self.alpha * energies + self.beta)
        alpha, beta = self._fixed
        argument = (energies if alpha == 1 else alpha * energies) + beta
        return torch.log(argument) if torch.is_grad_enabled() else log_(argument)

    def overwrite(self, energies: Tensor, lengths: Tensor | None = None) -> Tensor:
        """As `forward`, in place where alpha and beta are fixed."""
        if self.learnable:
            return super().overwrite(energies, lengths)
        alpha, beta = self._fixed
        return log_((energies if alpha == 1 else energies.mul_(alpha)).add_(beta))

    def extra_repr(self) -> str:
        return f"alpha={self.alpha.item():.6g}, beta={self.beta.item():.6g}, learnable={self.learnable}"


class LayerNorm(Compression):
    """Layer norm over the bands of each frame, with a gain and an offset a band (SincNet+, as published with LEAF).

    Energies (batch, n_bands, frame) -> the same shape, mean 0 and variance 1 over bands before the gain.
    """

    def __init__(self, n_bands: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(n_bands)

    def forward(self, energies: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Energies (batch, band, frame) -> normalised over bands, the same shape."""
        weights = self.norm.weight.to(energies.dtype), self.norm.bias.to(energies.dtype)
        return F.layer_norm(energies.mT, self.norm.normalized_shape, *weights, self.norm.eps).mT


def log_(x: Tensor) -> Tensor:
    """The natural logarithm, in place, without gradient.

    On a thread or two NumPy takes a third of PyTorch's time (its float32 logarithm is within 4 units of the last
    place).
    """
    if not eager_on_cpu(x) or x.dtype != torch.float32 or torch.get_num_threads() >= _MANY_THREADS:
        return x.log_()
    array = x.numpy()
    with np.errstate(all="ignore"):
        np.log(array, out=array)
    return x
