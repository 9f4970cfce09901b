"""What is saved by not working on padding: in the importance network, and in the batch norms of a classifier.

    python benchmarks/padding_cost.py [--rounds 15] [--threads 2] [--cpu-time]

The network: 32 clips of 40 bands and 15 to 120 frames, one of 230, as a batch of FSDD's digits, end to end against
padded; forward in evaluation, and forward and backward in training. Batch norm: the maps of SBCNN's first layer, 24
channels, in training, valid cells alone against masks; clips as above, and clips of 5 s of which one is a bit longer.
Errors: largest difference of what comes out over the largest.
"""

from __future__ import annotations

from types import ModuleType

import torch
from interleaved import Call, arguments, machine, middle, ratios, seconds_by_round, spread, table
from torch import Tensor

from tenuto.frontend import importance
from tenuto.frontend.lengths import length_mask
from tenuto.models import normalize

N_CLIPS, N_BANDS, LONGEST, N_CHANNELS = 32, 40, 230, 24
# module, its limit, what it is for padded batches and for those without padding
PACKED_BELOW = (importance, "_PACKED_BELOW", -1.0, 100.0)
MANY_CELLS = (normalize, "_MANY_CELLS", 2**62, 0)


def digits() -> Tensor:
    lengths = torch.randint(15, 120, (N_CLIPS,), generator=torch.Generator().manual_seed(0))
    lengths[0] = LONGEST
    return lengths


def nearly_alike() -> Tensor:
    lengths = torch.full((N_CLIPS,), 500)
    lengths[0] = 515
    return lengths


def network_call(training: bool) -> Call:
    """The importance network on one batch; the same weights and clips at each call of this."""
    torch.manual_seed(0)
    network, lengths = importance.FrameImportance(N_BANDS).train(training), digits()
    batch, valid = torch.randn(N_CLIPS, LONGEST, N_BANDS).mT, length_mask(lengths, LONGEST)

    def call() -> Tensor:
        with torch.set_grad_enabled(training):
            logits = network(batch, valid)
            if training:
                torch.autograd.backward(logits.sum())
        return logits.detach()

    return call


def norm_call(lengths: Tensor, n_bands: int) -> Call:
    """Batch norm of one batch of maps and back; the same maps at each call of this."""
    torch.manual_seed(0)
    norm = normalize.MaskedBatchNorm(N_CHANNELS).train()
    maps = torch.randn(N_CLIPS, N_CHANNELS, n_bands, int(lengths.max()), requires_grad=True)
    toward = torch.randn_like(maps)

    def call() -> Tensor:
        out: Tensor = norm(maps, lengths)
        torch.autograd.backward(out, toward)
        return out.detach()

    return call


def with_limit(call: Call, module: ModuleType, name: str, value: float) -> Call:
    def limited() -> object:
        setattr(module, name, value)
        return call()

    return limited


def main() -> None:
    options = arguments(__doc__ or "", rounds=15)
    print(f"{machine()}; {N_CLIPS} clips\n")
    cases = {
        "importance network, forward": (lambda: network_call(False), PACKED_BELOW),
        "importance network, forward and backward": (lambda: network_call(True), PACKED_BELOW),
        "batch norm, 40 bands, digits": (lambda: norm_call(digits(), 40), MANY_CELLS),
        "batch norm, 128 bands, clips of 5 s": (lambda: norm_call(nearly_alike(), 128), MANY_CELLS),
    }
    rows = []
    for what, (make, (module, name, padded, packed)) in cases.items():
        calls = {"padded": with_limit(make(), module, name, padded), "packed": with_limit(make(), module, name, packed)}
        one, other = (torch.as_tensor(call()) for call in calls.values())
        seconds = seconds_by_round(calls, options.rounds, options.clock)
        times = [middle(seconds["padded"]), middle(seconds["packed"])]
        error = float((one - other).abs().max() / one.abs().max())
        rows.append([what, *times, spread(ratios(seconds, "packed", "padded")), f"{error:.1e}"])
    print(table(["", "with padding, ms", "without, ms", "without / with", "differ by"], rows))


if __name__ == "__main__":
    main()
