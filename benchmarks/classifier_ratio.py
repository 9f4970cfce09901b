"""What DiffRes adds to a whole classifier: EfficientNet-B2 on 10 s clips of 16 kHz, batch 4, on the CPU.

    python benchmarks/classifier_ratio.py

Every system is a tenuto Classifier of the same unmodified timm model and a mean head, float32, not compiled, in
evaluation mode, waveforms in, logits out; average pooling passes one channel, DiffRes its three.
"""

from __future__ import annotations

import statistics

import torch
from interleaved import Call, arguments, machine, ratios, seconds_by_round, spread, table

from tenuto.models.build import build_classifier
from tenuto.models.settings import FrontendSettings, ModelSettings

BATCH, N_SECONDS, SAMPLE_RATE = 4, 10, 16000
MODEL = ModelSettings(backbone="efficientnet_b2", head="mean")


def system(resolution: str, fps: float) -> Call:
    """A classifier, ready to be called on one batch."""
    torch.manual_seed(0)
    settings = FrontendSettings(resolution=resolution, fps=fps)  # type: ignore[arg-type]
    classifier = build_classifier(settings, MODEL, [f"class {k}" for k in range(50)]).eval()
    waveforms = torch.randn(BATCH, N_SECONDS * SAMPLE_RATE) * 0.1

    @torch.inference_mode()
    def call() -> object:
        return classifier(waveforms)

    return call


def main() -> None:
    options = arguments(__doc__ or "", rounds=15)
    print(f"{machine()}; batch {BATCH}, {N_SECONDS} s clips, {MODEL.backbone}, median [smallest largest] of rounds\n")
    log_mel, rows = system("none", 100), []
    for fps in (25, 50, 75):
        names = {"log-mel at 100": log_mel, "average": system("avgpool", fps), "DiffRes": system("diffres", fps)}
        seconds = seconds_by_round(names, options.rounds)
        milliseconds = [f"{1000 * statistics.median(seconds[name]):.0f}" for name in names]
        over_average = ratios(seconds, "DiffRes", "average")
        faster = ratios(seconds, "log-mel at 100", "DiffRes")
        rows.append([str(fps), *milliseconds, spread(over_average), spread(faster)])
    header = ["frames a second", "log-mel at 100, ms", "average pooling, ms", "DiffRes, ms"]
    print(table([*header, "DiffRes / average pooling", "log-mel at 100 / DiffRes"], rows))


if __name__ == "__main__":
    main()
