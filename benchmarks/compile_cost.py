"""What torch.compile makes of a whole classifier: graph breaks in the front end, and time beside the uncompiled one.

    python benchmarks/compile_cost.py [--rounds 9] [--threads 2] [--cpu-time] [--backbone efficientnet_b2]

Log-mel of 128 bands, DiffRes at 25 frames a second, 10 s clips of 16 kHz, batch 4, evaluation, waveforms in, logits
out. Breaks are counted by torch._dynamo.explain; wanted: none in frontend/. Compiling (by inductor, on a CPU with the
machine's C++ compiler; without one only breaks are counted) takes minutes and is not in the time.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable

import torch
from interleaved import Call, arguments, machine, middle, ratios, seconds_by_round, spread, table

from tenuto.models.backbones import TimmBackbone
from tenuto.models.build import build_classifier, build_frontend
from tenuto.models.classifier import Classifier
from tenuto.models.heads import MeanPooling
from tenuto.models.settings import FrontendSettings, ModelSettings

BATCH, N_SECONDS, SAMPLE_RATE, FPS, N_CLASSES = 4, 10, 16000, 25, 50
LABELS = [f"class {k}" for k in range(N_CLASSES)]


def make_classifier(backbone: str) -> Classifier:
    """Untrained, ready for use."""
    torch.manual_seed(0)
    settings = FrontendSettings(resolution="diffres", fps=FPS)
    if backbone == "sbcnn":
        return build_classifier(settings, ModelSettings(backbone=backbone), LABELS, False, "softmax").eval()
    frontend = build_frontend(settings)
    body = TimmBackbone(backbone, frontend.n_channels, input_norm=False)
    return Classifier(frontend, body, MeanPooling(body.n_features, N_CLASSES), LABELS).eval()


def breaks(classifier: Classifier, waveforms: torch.Tensor) -> tuple[int, list[str]]:
    """All graph breaks, and of them those with a line of frontend/ in their stack, in words."""
    found = torch._dynamo.explain(classifier)(waveforms)
    torch.compiler.reset()
    in_frontend = [
        str(reason.reason)
        for reason in found.break_reasons
        if any("tenuto/frontend" in line.filename for line in reason.user_stack)
    ]
    return found.graph_break_count, in_frontend


def timed(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measured(classifier: Classifier, waveforms: torch.Tensor, rounds: int, clock: Callable[[], float]) -> str:
    """The table, with the largest difference of logits."""
    compiled = torch.compile(classifier)
    calls: dict[str, Call] = {"eager": lambda: classifier(waveforms), "compiled": lambda: compiled(waveforms)}
    compiling = timed(calls["compiled"])
    difference = (compiled(waveforms).logits - classifier(waveforms).logits).abs().max().item()
    seconds = seconds_by_round(calls, rounds, clock)
    times = [middle(seconds[name]) for name in calls]
    row = [*times, spread(ratios(seconds, "compiled", "eager")), f"{compiling:.0f}", f"{difference:.1e}"]
    return table(["as it is, ms", "compiled, ms", "compiled / as it is", "compiling, s", "logits differ by"], [row])


def main() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--backbone", default="efficientnet_b2", help="sbcnn or any of timm")
    options = arguments(__doc__ or "", rounds=9, more=parser)
    classifier = make_classifier(options.backbone)
    waveforms = torch.randn(BATCH, N_SECONDS * SAMPLE_RATE) * 0.1
    with torch.no_grad():
        n_breaks, in_frontend = breaks(classifier, waveforms)
        print(f"{machine()}; {options.backbone}, batch {BATCH}, {N_SECONDS} s clips, {FPS} frames a second\n")
        print(f"Graph breaks: {n_breaks}, in frontend/ {len(in_frontend)}", *in_frontend, "", sep="\n")
        if any(map(shutil.which, ("c++", "g++", "clang++"))):
            print(measured(classifier, waveforms, options.rounds, options.clock))
        else:
            print("Not timed: no C++ compiler here, which inductor needs on a CPU.")


if __name__ == "__main__":
    main()
