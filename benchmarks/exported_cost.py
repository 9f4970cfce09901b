"""What an exported model costs in onnxruntime, beside the same model in PyTorch, from waveform to probabilities.

    python benchmarks/exported_cost.py [--rounds 9] [--threads 1] [--cpu-time] [--backbone sbcnn] [--seconds 10]

One clip at a time, 16 kHz, untrained models of 64 bands. Memory is the largest of a process of its own in which numpy
and onnxruntime answer ten clips, as on a device, everything that it loads included. Both take turns.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from interleaved import Call, arguments, machine, middle, ratios, seconds_by_round, spread, table

from tenuto.inference.export import export
from tenuto.inference.onnx_classifier import OnnxClassifier
from tenuto.models.build import build_classifier
from tenuto.models.classifier import Classifier
from tenuto.models.settings import FrontendSettings, ModelSettings

SAMPLE_RATE, N_CLASSES = 16000, 10
FRONT_ENDS = {
    "log-mel, 100 frames a second": FrontendSettings(n_mels=64, resolution="none", fps=None),
    "average pooling, 25": FrontendSettings(n_mels=64, resolution="avgpool", fps=25),
    "DiffRes, 50": FrontendSettings(n_mels=64, resolution="diffres", fps=50),
    "DiffRes, 25": FrontendSettings(n_mels=64, resolution="diffres", fps=25),
    "PCEN and DiffRes, 25": FrontendSettings(n_mels=64, compression="pcen", resolution="diffres", fps=25),
    "LEAF and DiffRes, 25": FrontendSettings(
        filterbank="leaf", n_mels=64, compression="pcen", resolution="diffres", fps=25
    ),
}
ON_A_DEVICE = """
import sys
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(sys.argv[2])
session = onnxruntime.InferenceSession(sys.argv[1], options)
clip = (0.1 * numpy.random.default_rng(0).standard_normal((1, int(sys.argv[3])))).astype("float32")
for _ in range(10):
    session.run(None, {"waveforms": clip, "lengths": numpy.array([clip.shape[1]])})
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def make_classifier(frontend: FrontendSettings, backbone: str) -> Classifier:
    """Untrained, ready for use."""
    torch.manual_seed(0)
    labels = [f"class {k}" for k in range(N_CLASSES)]
    return build_classifier(frontend, ModelSettings(backbone=backbone, pretrained=False), labels).eval()


def peak_mb(path: Path, threads: int, n_samples: int) -> float:
    """Of a process that answers clips with the file, and has nothing of PyTorch (Linux; kB, as it says, are KiB).

    Not ru_maxrss, which a child has from the process that started it.
    """
    call = [sys.executable, "-c", ON_A_DEVICE, str(path), str(threads), str(n_samples)]
    return int(subprocess.run(call, capture_output=True, text=True, check=True).stdout) * 1024 / 1e6


def row_of(name: str, path: Path, options: argparse.Namespace) -> list[str]:
    """One model: exported to `path`, timed, weighed."""
    classifier = make_classifier(FRONT_ENDS[name], options.backbone)
    difference = export(classifier, path).largest_difference
    exported = OnnxClassifier(path)
    clip = (0.1 * np.random.default_rng(0).standard_normal(round(options.seconds * SAMPLE_RATE))).astype(np.float32)
    waveform = torch.from_numpy(clip)[None]

    @torch.inference_mode()
    def in_pytorch() -> object:
        return classifier(waveform)

    calls: dict[str, Call] = {"onnxruntime": lambda: exported.score([clip]), "PyTorch": in_pytorch}
    seconds = seconds_by_round(calls, options.rounds, options.clock)
    times = [middle(seconds[each]) for each in calls]
    ratio = spread(ratios(seconds, "onnxruntime", "PyTorch"))
    megabytes = [f"{path.stat().st_size / 1e6:.1f}", f"{peak_mb(path, options.threads, len(clip)):.0f}"]
    return [name, *times, ratio, *megabytes, f"{difference:.1e}"]


def main() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--backbone", default="sbcnn", help="sbcnn or any of timm")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of a clip")
    options = arguments(__doc__ or "", rounds=9, more=parser)
    print(f"{machine()}; {options.backbone}, one clip of {options.seconds:g} s\n")
    with tempfile.TemporaryDirectory() as folder:
        rows = [row_of(name, Path(folder) / "model.onnx", options) for name in FRONT_ENDS]
    header = ["front end", "onnxruntime, ms", "PyTorch, ms", "onnxruntime / PyTorch", "file, MB", "process, MB"]
    print(table([*header, "probabilities differ by"], rows))


if __name__ == "__main__":
    main()
