"""What the whole DiffRes layer costs beside its own importance network.

    python benchmarks/layer_cost.py [--rounds 15] [--threads 2] [--cpu-time] [--keep-pages]

A log-mel of 128 bands, batch 8, 75 % of the frames saved; evaluation mode, forward, and training mode, forward and
backward. Wanted, forward: at most 1.25 times the importance network alone, at 1,000 frames or more. "Plain" is the
same network as published: convolutions and batch norms one by one, channels first; this library's reads a frame's
bands together and in evaluation folds the norms. "Asked": for the guide loss too, which in evaluation is worked out
when it is asked for. "Of a product": multiplications a second of the network, of those of a matrix product, which is as
fast as this machine multiplies. All take turns.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial

import torch
from interleaved import Call, arguments, machine, middle, ratios, seconds_by_round, spread, table
from torch import Tensor, nn
from torch.nn import functional as F

from tenuto.frontend.diffres import DiffRes
from tenuto.frontend.importance import FrameImportance, ResConv1d

SIZES = (1_000, 3_000, 10_000)
N_BANDS, BATCH, REDUCTION = 128, 8, 0.75
AT_MOST = 1.25
PRODUCT = 1024  # rows and columns of the matrices that are multiplied


def plain_network(network: FrameImportance, x: Tensor) -> Tensor:
    """Log-mel (batch, band, frame) -> logits (batch, frame), operation by operation."""
    for block in network.blocks:
        assert isinstance(block, ResConv1d)
        first, second = block.pairs
        y = F.leaky_relu(plain_pair(first, x))
        z = plain_pair(second, y)
        x = y + (F.leaky_relu(z) if block.last_activation else z)
    return x[:, 0]


def plain_pair(pair: tuple[nn.Conv1d, nn.BatchNorm2d], x: Tensor) -> Tensor:
    """Frames (batch, n_in, frame) -> (batch, n_out, frame)."""
    conv, norm = pair
    running = norm.running_mean, norm.running_var
    return F.batch_norm(conv(x), *running, norm.weight, norm.bias, norm.training, eps=norm.eps)


def make_calls(n_frames: int, training: bool) -> dict[str, Call]:
    """The layer, its importance network, and that plain, on one log-mel, a frame's bands together."""
    torch.manual_seed(0)
    layer = DiffRes(N_BANDS, REDUCTION).train(training)
    log_mel = (torch.randn(BATCH, n_frames, N_BANDS) * 3 - 8).mT  # as filterbanks give it
    channels_first = log_mel.contiguous()
    if not training:
        with torch.inference_mode():
            plain, ours = plain_network(layer.importance, channels_first), layer.importance(log_mel)
        torch.testing.assert_close(plain, ours, rtol=1e-4, atol=1e-4)

    def stepping(forward: Callable[[], Tensor]) -> Call:
        with torch.no_grad():
            toward = torch.randn_like(forward())

        @torch.inference_mode(not training)
        def call() -> object:
            out = forward()
            if training:
                layer.zero_grad()
                torch.autograd.backward(out, toward)
            return out.detach()

        return call

    def asked() -> Tensor:
        output = layer(log_mel)
        assert output.guide_loss.isfinite()
        return output.features

    calls = {
        "layer": stepping(lambda: layer(log_mel).features),
        "network": stepping(lambda: layer.importance(log_mel)),
        "plain": stepping(lambda: plain_network(layer.importance, channels_first)),
    }
    matrix, room = torch.randn(2, PRODUCT, PRODUCT)  # a result of its own would move what the others allocate
    product = partial(torch.mm, matrix, matrix, out=room)
    return calls if training else {**calls, "asked": stepping(asked), "product": product}


def of_a_product(seconds: dict[str, list[float]], n_frames: int) -> str:
    """Multiplications a second of the network, of those of a matrix product."""
    convolutions = [each for each in FrameImportance(N_BANDS).modules() if isinstance(each, nn.Conv1d)]
    of_network = BATCH * n_frames * sum(each.weight.numel() for each in convolutions)
    return spread([of_network / PRODUCT**3 * ratio for ratio in ratios(seconds, "product", "network")])


def rows_of(training: bool, rounds: int, clock: Callable[[], float]) -> list[list[str]]:
    """A line for each number of frames."""
    rows = []
    for n_frames in SIZES:
        seconds = seconds_by_round(make_calls(n_frames, training), rounds, clock)
        times = [middle(seconds[name]) for name in ("plain", "network", "layer")]
        over_network, over_plain = ratios(seconds, "layer", "network"), spread(ratios(seconds, "layer", "plain"))
        rows.append([f"{n_frames:,}", *times, spread(over_network), over_plain])
        if not training:
            rows[-1] += [spread(ratios(seconds, "asked", "network")), of_a_product(seconds, n_frames)]
            rows[-1].append("yes" if statistics.median(over_network) <= AT_MOST else "no")
    return rows


def main() -> None:
    options = arguments(__doc__ or "", rounds=15)
    print(f"{machine()}; {N_BANDS} bands, batch {BATCH}, reduction {REDUCTION}\n\nEvaluation, forward:\n")
    header = ["frames", "network, plain, ms", "importance network, ms", "layer, ms", "layer / importance network"]
    header += ["layer / network, plain"]
    more = ["asked / network", "network, of a product", f"at most {AT_MOST}"]
    print(table([*header, *more], rows_of(False, options.rounds, options.clock)))
    print("\nTraining, forward and backward:\n")
    print(table(header, rows_of(True, options.rounds, options.clock)))


if __name__ == "__main__":
    main()
