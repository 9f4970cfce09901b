"""What depends on parameters alone, kept from call to call while they keep their values."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
Remember = Callable[[Hashable, Callable[[], Any]], Any]
_MOST = 32  # a length of clips has its own entries


class Remembered:
    """`remembered.of(*parameters)(key, make)` is what `make()` gave when it was first called on these values.

    Values are compared, not versions, so that no way to change a parameter is missed. With gradients everything is
    made anew, as it is on other devices than a CPU (comparing would wait for them) and under torch.compile.
    """

    def __init__(self) -> None:
        # What is kept, and of which parameters, in one field: another thread sees both as they were, or both new.
        self._held: tuple[tuple[Tensor, ...], dict[Hashable, Any]] = (), {}

    def of(self, *parameters: Tensor) -> Remember:
        """-> (key, make) -> what make() returns or returned; forgets what was kept of parameters of other values."""
        on_cpu = all(each.device.type == "cpu" for each in parameters)
        if torch.is_grad_enabled() or torch.compiler.is_compiling() or not on_cpu:
            return made
        known, kept = self._held
        if not _equal(parameters, known):
            kept = {}
            self._held = tuple(each.detach().clone() for each in parameters), kept
        return partial(_remember, kept)

    def __deepcopy__(self, memo: dict[int, Any]) -> Remembered:
        return Remembered()

    def __reduce__(self) -> tuple[type[Remembered], tuple[()]]:
        return Remembered, ()


def _remember(kept: dict[Hashable, Any], key: Hashable, make: Callable[[], T]) -> T:
    known: T | None = kept.get(key)  # at once, as another thread may clear it
    if known is not None:
        return known
    value = make()
    if len(kept) >= _MOST:
        kept.clear()
    kept[key] = value
    return value


def made(key: Hashable, make: Callable[[], T]) -> T:
    """What make() gives, of nothing kept."""
    return make()


def _equal(some: tuple[Tensor, ...], others: tuple[Tensor, ...]) -> bool:
    return len(some) == len(others) and all(
        a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(some, others, strict=True)
    )
