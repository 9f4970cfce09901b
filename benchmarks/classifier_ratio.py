"""What DiffRes adds to a whole classifier: EfficientNet-B2 on 10 s clips of 16 kHz, batch 4, on the CPU.

    python benchmarks/classifier_ratio.py [--rounds 15] [--threads 2]

Every system is a tenuto Classifier of the same unmodified timm model and a mean head, float32, not compiled, in
evaluation mode, waveforms in, logits out; average pooling passes one channel, DiffRes its three. "Network alone": what
average pooling and DiffRes' importance network take, over average pooling, which no warp can go below. All take turns
in every round.
"""

from __future__ import annotations

import statistics

import torch
from interleaved import Call, arguments, machine, ratios, seconds_by_round, spread, table

from tenuto.frontend.diffres import DiffRes
from tenuto.models.backbones import TimmBackbone
from tenuto.models.build import build_frontend
from tenuto.models.classifier import Classifier
from tenuto.models.heads import MeanPooling
from tenuto.models.settings import FrontendSettings

BATCH, N_SECONDS, SAMPLE_RATE, N_BANDS = 4, 10, 16000, 128
BACKBONE, N_CLASSES = "efficientnet_b2", 50
RATES = (25, 50, 75)


def system(resolution: str, fps: float) -> Call:
    """A classifier, ready to be called on one batch."""
    torch.manual_seed(0)
    frontend = build_frontend(FrontendSettings(resolution=resolution, fps=fps))  # type: ignore[arg-type]
    backbone = TimmBackbone(BACKBONE, frontend.n_channels, input_norm=False)
    head = MeanPooling(backbone.n_features, N_CLASSES)
    classifier = Classifier(frontend, backbone, head, [f"class {k}" for k in range(N_CLASSES)]).eval()
    waveforms = torch.randn(BATCH, N_SECONDS * SAMPLE_RATE) * 0.1

    @torch.inference_mode()
    def call() -> object:
        return classifier(waveforms)

    return call


def network() -> Call:
    """The importance network, ready to be called on one batch of log-mels."""
    importance = DiffRes(N_BANDS).eval().importance
    log_mel = torch.randn(BATCH, 100 * N_SECONDS, N_BANDS).mT  # as filterbanks give it

    @torch.inference_mode()
    def call() -> object:
        return importance(log_mel)

    return call


def main() -> None:
    options = arguments(__doc__ or "", rounds=15)
    print(f"{machine()}; batch {BATCH}, {N_SECONDS} s clips, {BACKBONE}, median [smallest largest] of rounds\n")
    systems = {"log-mel": system("none", 100), "network": network()}
    for fps in RATES:
        systems |= {f"average {fps}": system("avgpool", fps), f"DiffRes {fps}": system("diffres", fps)}
    seconds = seconds_by_round(systems, options.rounds)
    rows = []
    for fps in RATES:
        names = ("log-mel", f"average {fps}", f"DiffRes {fps}")
        milliseconds = [f"{1000 * statistics.median(seconds[name]):.0f}" for name in names]
        over_average, faster = ratios(seconds, names[2], names[1]), ratios(seconds, names[0], names[2])
        share = f"{1 + statistics.median(ratios(seconds, 'network', names[1])):.3g}"
        rows.append([str(fps), *milliseconds, spread(over_average), share, spread(faster)])
    header = ["frames a second", "log-mel at 100, ms", "average pooling, ms", "DiffRes, ms"]
    print(table([*header, "DiffRes / average pooling", "network alone", "log-mel at 100 / DiffRes"], rows))


if __name__ == "__main__":
    main()
