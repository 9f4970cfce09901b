"""A GPU that is not there: tensors of PyTorch's meta device have shapes and no values, so that nobody can wait for one.

What is asked of a value, or decided by it, is an error there. Copies are looked at besides.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

THERE = torch.device("meta")
WAITED_FOR = (RuntimeError, NotImplementedError)
_FROM_NUMBERS: tuple[Callable[..., Any], ...] = (torch.tensor, torch.as_tensor, Tensor.new_tensor)


class NoWaitingCopies(TorchFunctionMode):
    """Refuses copies from the CPU that return when they have arrived, as those of Python's numbers do."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **kwargs or {})
        if isinstance(made, Tensor) and made.device == THERE:
            from_numbers = func in _FROM_NUMBERS
            moved = func is Tensor.to and args[0].device != THERE and not (kwargs or {}).get("non_blocking")
            if from_numbers or moved:
                raise RuntimeError(f"a copy of {tuple(made.shape)} to the GPU is waited for")
        return made


def without_waiting(module: nn.Module, call: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """call(the module as it would be on that GPU), in which nothing may wait. (Autocast knows no such device.)"""
    there = deepcopy(module).to(THERE)
    with monkeypatch.context() as patch, NoWaitingCopies():
        patch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
        patch.setattr(torch, "is_autocast_enabled", lambda *_: False)
        return call(there)
