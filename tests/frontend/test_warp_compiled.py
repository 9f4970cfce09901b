"""What torch.compile is not to look into, as operators: the same answers, one graph, and nothing sorted in it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from tenuto import DiffRes, Frontend, Leaf, LogCompression, MelSpectrogram, warp_matrix
from tenuto.frontend._warp_kernels import eager_kernel
from tenuto.frontend.position_encoding import position_encoding
from tenuto.frontend.resolution import Resolution
from tolerances import assert_close

pytestmark = pytest.mark.usefixtures("fresh_graphs")
traced = pytest.mark.skipif(
    not hasattr(torch.compiler, "is_exporting"), reason="torch.compile of PyTorch 2.6 breaks graphs at lengths"
)
OPERATORS = torch.ops.tenuto
N_FRAMES, N_BANDS = 60, 16


def importance_of(n_clips: int, n_out: int) -> Tensor:
    """(clip, frame) that sums to n_out."""
    scores = torch.rand(n_clips, N_FRAMES, dtype=torch.float64) + 1e-3
    return scores * (n_out / scores.sum(1, keepdim=True))


def log_mel() -> Tensor:
    """(3, band, frame)."""
    return torch.randn(3, N_BANDS, N_FRAMES, generator=torch.Generator().manual_seed(2)) * 3 - 8


class Recorder:
    """A compiler that runs graphs as they are, and remembers what they call."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.n_graphs = 0

    def __call__(self, graph: torch.fx.GraphModule, inputs: list[Any]) -> Callable[..., Any]:
        self.n_graphs += 1
        self.called += [str(node.target) for node in graph.graph.nodes if node.op.startswith("call")]
        run: Callable[..., Any] = graph.forward
        return run


def warp(
    rows: Tensor,
    importance: Tensor,
    n_out: int,
    algorithm1: bool,
    with_max: bool,
    cut: bool,
    positions: Tensor | None = None,
) -> list[Tensor]:
    """What a graph calls: importance cut by one operator for the next, or inside it."""
    cuts = OPERATORS.cut(importance, n_out, algorithm1) if cut else []
    warped: list[Tensor] = OPERATORS.warp(rows, positions, importance, n_out, algorithm1, cuts, with_max)
    return warped


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_operator_is_the_matrix(dtype: torch.dtype, cut: bool) -> None:
    rows, importance = torch.rand(3, N_FRAMES, 5, dtype=dtype), importance_of(3, 11)
    products = warp_matrix(importance, 11).to(dtype)[..., None] * rows[:, None]
    positions = torch.rand(1, N_FRAMES, 5, dtype=dtype)
    mean, largest, encoding = warp(rows, importance, 11, True, with_max=True, cut=cut, positions=positions)
    name = "float64" if dtype == torch.float64 else "float32"
    assert_close(mean, products.sum(2), name)
    assert_close(largest, products.amax(2), name)
    assert_close(encoding, warp_matrix(importance, 11).to(dtype) @ positions[0], name)
    of_one, *nothing = warp(rows[:1], importance, 11, algorithm1=True, with_max=False, cut=cut)
    assert_close(of_one, warp_matrix(importance, 11).to(dtype) @ rows[0], name)
    assert [x.numel() for x in nothing] == [0, 0]


@pytest.mark.parametrize("cut", [True, False])
def test_an_output_that_every_frame_touches_has_their_maximum(cut: bool) -> None:
    """Its maximum (Eq. 6) is negative where all frames are, which the kernel for a CPU leaves to the reference."""
    rows, importance = -1 - torch.rand(2, 6, 4), torch.full((2, 6), 1 / 6, dtype=torch.float64)
    _, largest, _ = warp(rows, importance, 1, algorithm1=True, with_max=True, cut=cut)
    assert_close(largest, rows.amax(1, keepdim=True) / 6, "float32")


@pytest.mark.parametrize("cut", [True, False])
def test_whole_frames_stay_whole(cut: bool) -> None:
    frames, importance = torch.rand(3, 5, N_FRAMES), importance_of(3, 11)
    with torch.no_grad():
        kernel = eager_kernel(importance)
        expected = kernel.weighted_sum(frames, kernel.whole_frames(importance, 11))
    mean, _, _ = warp(frames.mT, importance, 11, algorithm1=False, with_max=True, cut=cut)
    assert_close(mean.mT, expected, "float32")
    parted, _, _ = warp(frames.mT, importance, 11, algorithm1=True, with_max=True, cut=cut)
    assert not torch.allclose(mean, parted)


@pytest.mark.parametrize("algorithm1", [True, False])
@pytest.mark.parametrize("with_max", [True, False])
def test_what_graphs_are_told_of_the_operators_is_so(with_max: bool, algorithm1: bool) -> None:
    """Shapes, types, strides, and that nothing is written into: PyTorch's own check."""
    rows, importance = torch.rand(2, N_FRAMES, 5), importance_of(2, 7)
    checks = ("test_schema", "test_faketensor")
    torch.library.opcheck(OPERATORS.cut.default, (importance, 7, algorithm1), test_utils=checks)
    for cuts in ([], list(OPERATORS.cut(importance, 7, algorithm1))):
        for positions in (None, torch.rand(1, N_FRAMES, 5))[: 1 + with_max]:
            given = (rows, positions, importance, 7, algorithm1, cuts, with_max)
            torch.library.opcheck(OPERATORS.warp.default, given, test_utils=checks)


def test_what_graphs_are_told_of_the_other_operators_is_so() -> None:
    importance, checks = importance_of(2, 7), ("test_schema", "test_faketensor")
    lengths = torch.tensor([N_FRAMES, 20])
    for arguments in (
        (importance.log(), torch.tensor([9, 4]), lengths),
        (importance.log(), torch.tensor([9, 9]), None),
    ):
        torch.library.opcheck(OPERATORS.rescale_logits.default, arguments, test_utils=checks)
    bank = Leaf(6)
    leaf = (bank.center, bank.sigma, bank.pooling_width, 6, 16000, bank.window_length, bank.hop_length, "published")
    with torch.no_grad():
        for each in (None, torch.tensor([1600, 900])):
            arguments = (torch.randn(2, 1600), each, *leaf)
            torch.library.opcheck(OPERATORS.leaf.default, arguments, test_utils=checks)
    torch.library.opcheck(OPERATORS.position_encoding.default, (6, 9, torch.device("cpu")), test_utils=checks)


def test_writing_into_positions_of_a_graph_leaves_the_next_ones_alone() -> None:
    """A graph may reuse the memory of what an operator gave it."""
    expected = position_encoding(6, 9, torch.device("cpu")).clone()
    OPERATORS.position_encoding(6, 9, torch.device("cpu")).zero_()
    assert torch.equal(position_encoding(6, 9, torch.device("cpu")), expected)
    assert torch.equal(OPERATORS.position_encoding(6, 9, torch.device("cpu")).mT, expected)


@pytest.mark.parametrize("alignment", ["published", "centred"])
def test_leaf_as_an_operator_follows_its_parameters(alignment: Any) -> None:
    """Two banks of the same settings by turns, and one whose parameters move: nothing is kept of the other."""
    x, lengths = 0.1 * torch.randn(2, 4000), torch.tensor([4000, 2500])
    with torch.no_grad():
        banks = [Leaf(8, 16000, 401, 160, start=start, alignment=alignment) for start in ("published", "analytic")]
        for bank in (*banks, *banks):
            bank.center.mul_(0.99)
            parameters = bank.center, bank.sigma, bank.pooling_width
            found = OPERATORS.leaf(x, lengths, *parameters, 8, 16000, 401, 160, alignment)
            assert_close(found, bank(x, lengths), "float32")


def test_leaf_as_an_operator_in_threads() -> None:
    """Two banks of the same settings at once, as a server may have them: neither hears with the other's filters."""
    x = 0.1 * torch.randn(1, 4000)
    banks = [Leaf(8, start=start) for start in ("published", "analytic")]
    for bank, factor in zip(banks, (0.9, 0.7), strict=True):
        torch.nn.init.constant_(bank.center, factor)

    def heard(bank: Leaf) -> list[Tensor]:
        parameters = bank.center, bank.sigma, bank.pooling_width
        with torch.no_grad():
            return [OPERATORS.leaf(x, None, *parameters, 8, 16000, 401, 160, "published") for _ in range(20)]

    with torch.no_grad(), ThreadPoolExecutor(2) as threads:
        for bank, found in zip(banks, threads.map(heard, banks), strict=True):
            for each in found:
                assert_close(each, bank(x), "float32")


@traced
@pytest.mark.parametrize("resolution", ["DiffRes", "LEAF"])
def test_other_lengths_are_compiled_once_more_for_all(resolution: str) -> None:
    filterbank = Leaf(16) if resolution == "LEAF" else MelSpectrogram(n_mels=16)
    front_end = Frontend(filterbank, resolution=DiffRes(16, 0.75), compression=LogCompression()).eval()
    recorder = Recorder()
    compiled = torch.compile(front_end, backend=recorder)
    with torch.no_grad():
        for n in (8000, 12000, 20000, 16666):
            x, lengths = 0.1 * torch.randn(2, n), torch.tensor([n, n // 2])
            torch.testing.assert_close(
                compiled(x, lengths).features, front_end(x, lengths).features, rtol=1e-3, atol=1e-3
            )
    assert recorder.n_graphs == 2


@traced
@pytest.mark.parametrize("lengths", [None, torch.tensor([60, 33, 1])], ids=["all frames", "lengths"])
@pytest.mark.parametrize("rescaling", ["exact", "paper"])
def test_a_layer_on_log_mels_is_one_graph_of_few_calls(lengths: Tensor | None, rescaling: Any) -> None:
    """Nothing is sorted or scattered in the graph, and all that the layer says is what it says without one."""
    layer: Resolution = DiffRes(N_BANDS, 0.75, rescaling=rescaling).eval()
    recorder = Recorder()
    with torch.no_grad():
        found = torch.compile(layer, backend=recorder)(log_mel(), lengths)
        expected = layer(log_mel(), lengths)
    assert recorder.n_graphs == 1
    for name in ("features", "lengths", "importance", "guide_loss", "activeness"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-4, atol=1e-4)
    called = " ".join(recorder.called)
    assert recorder.called.count("tenuto.cut.default") == 1  # for mean, maximum and encoding
    assert recorder.called.count("tenuto.warp.default") == 1
    assert "tenuto.position_encoding" in called
    assert ("tenuto.rescale_logits" in called) == (rescaling == "exact")
    assert not any(word in called for word in ("sort", "scatter", "cumsum"))


@traced
def test_with_gradients_a_graph_has_a_way_back() -> None:
    layer = DiffRes(N_BANDS, 0.75)
    weight = layer.importance.blocks[0].conv1.weight

    def gradient(model: Any) -> Tensor:
        out = model(log_mel())
        (of_weight,) = torch.autograd.grad(out.features.square().mean() + out.guide_loss, [weight])
        return of_weight

    found = gradient(torch.compile(layer, backend="aot_eager", fullgraph=True))
    torch.testing.assert_close(found, gradient(layer), rtol=1e-3, atol=1e-4)
    assert found.abs().sum() > 0


@traced
def test_a_graph_has_as_many_frames_as_the_batch() -> None:
    """The longest clip is a value, the batch's length a shape: what is beyond each clip stays zero."""
    layer, lengths = DiffRes(N_BANDS, 0.75).eval(), torch.tensor([40, 33, 1])
    with torch.no_grad():
        found = torch.compile(layer, backend=Recorder())(log_mel(), lengths)
        expected = layer(log_mel(), lengths)
    assert expected.features.shape[-1] == 10
    assert found.features.shape[-1] == 15
    torch.testing.assert_close(found.features[..., :10], expected.features, rtol=1e-4, atol=1e-4)
    assert not found.features[..., 10:].any()
    assert torch.equal(found.lengths, expected.lengths)
