"""An exported model used without this library: onnxruntime, soundfile and numpy are all it needs.

    tenuto export runs/mine model.onnx
    python examples/exported_without_tenuto.py model.onnx FILE...

Prints the likeliest label of each file and its probability (nan: no answer, to samples far too loud). Files must have
the model's sample rate. A model that was trained on clips of one length hears pieces of that length, the last one with
zeros behind it; any other hears a file at once.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import onnxruntime
import soundfile


def main(model: str, files: list[str]) -> list[tuple[str, str, float]]:
    """-> (file, label, probability) of each, or of each piece of each"""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    labels, rate_hz = json.loads(facts["labels"]), int(facts["sample_rate"])
    clip_seconds = json.loads(facts["clip_seconds"])
    answers = []
    for file in files:
        samples = read(file, rate_hz)
        n_piece = len(samples) if clip_seconds is None else round(clip_seconds * rate_hz)
        for start in range(0, len(samples), n_piece):
            piece = samples[start : start + n_piece]
            waveforms = np.pad(piece, (0, n_piece - len(piece)))[None]
            # Clips of one length may share a batch: (batch, samples), and the length of each.
            feed = {"waveforms": waveforms, "lengths": np.array([n_piece], dtype=np.int64)}
            (probabilities,) = session.run(["probabilities"], feed)[0]
            best = int(probabilities.argmax())
            label = labels[best] if np.isfinite(probabilities[best]) else "no answer"
            answers.append((file, label, float(probabilities[best])))
            where = "" if n_piece >= len(samples) else f" from {start / rate_hz:g} s"
            print(f"{file}{where}: {label} ({probabilities[best]:.3f})")
    return answers


def read(file: str, rate_hz: int) -> np.ndarray:
    """Samples, (sample,), float32 in [-1, 1]: the mean of all channels"""
    try:
        samples, file_rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        sys.exit(f"{file} cannot be read: {error.error_string}")
    if file_rate_hz != rate_hz:
        sys.exit(f"{file} has {file_rate_hz} Hz, the model wants {rate_hz} Hz: resample it first")
    if not len(samples):
        sys.exit(f"{file} has no samples")
    return samples.mean(1)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("wanted: python exported_without_tenuto.py MODEL.onnx FILE...")
    main(sys.argv[1], sys.argv[2:])
