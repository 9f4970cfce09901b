"""What the Triton warp launches, and where: no kernel runs, so that no GPU is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tenuto.frontend import _warp_kernels as door

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
Grid = tuple[int, ...]
N_CLIPS, N_BANDS, N_FRAMES, N_OUT = 3, 20, 23, 7


class Noted:
    """In place of a kernel: where it is launched something is noted, given the grid, and nothing runs."""

    def __init__(self, note: Callable[[Grid], None]) -> None:
        self.note = note

    def __getitem__(self, grid: Grid) -> Any:
        self.note(grid)
        return lambda *tensors, **constants: None


class Dispatched(TorchDispatchMode):
    """Names of PyTorch's operators that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **kwargs or {})


@pytest.fixture
def warped(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Grid], None]], list[list[str]]]:
    """Mean, maximum and encoding of a batch, and back: what PyTorch is called for, forward and backward."""
    module = door._triton()
    if module is None:
        pytest.skip("this Triton is too old for the kernels")

    def run(note: Callable[[Grid], None]) -> list[list[str]]:
        for name in ("cut", "by_output", "by_frame", "by_clip"):
            monkeypatch.setattr(module, name, Noted(note))
        return launched(module)

    return run


def launched(module: ModuleType) -> list[list[str]]:
    frames = torch.rand(N_CLIPS, N_FRAMES, N_BANDS).mT
    rows, positions = frames.clone().requires_grad_(), frames[:1]
    importance = torch.rand(N_CLIPS, N_FRAMES, dtype=torch.float64, requires_grad=True)
    with Dispatched() as forward:
        outputs = module.weighted_sums_and_max(rows, positions, module.segments(importance, N_OUT))
    by_output = [torch.zeros_like(each) for each in outputs]
    with Dispatched() as backward:
        torch.autograd.grad(outputs, (rows, importance), by_output)
    return [forward.names, backward.names]


def test_there_are_few_for_a_short_clip_to_wait_for(warped: Any) -> None:
    """Forward: the sum of importance, the cut, and one for all. Backward: two. All else is views and room."""
    grids: list[Grid] = []
    called = warped(grids.append)
    no_launch = {"view", "transpose", "detach", "empty", "empty_like", "empty_strided"}
    assert [[name for name in names if name not in no_launch] for names in called] == [["cumsum"], []]
    assert len(grids) == 4


def test_none_has_more_programs_than_an_axis_takes(warped: Any) -> None:
    """CUDA takes 65,535 along the second axis and the third: everything lies along the first."""
    grids: list[Grid] = []
    warped(grids.append)
    assert [len(grid) for grid in grids] == [1, 1, 1, 1]


def test_they_are_where_their_tensors_are(warped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Triton launches on the current device, which is not always theirs."""
    current: list[torch.device] = []
    found: list[list[torch.device]] = []

    @contextmanager
    def device_of(tensor: Tensor) -> Iterator[None]:
        current.append(tensor.device)
        yield
        current.pop()

    monkeypatch.setattr(torch.cuda, "device_of", device_of)
    warped(lambda _: found.append([*current]))
    assert found == [[torch.device("cpu")]] * 4
