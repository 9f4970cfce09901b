"""An exported model used without this library: onnxruntime, soundfile and numpy are all it needs.

    tenuto export runs/mine model.onnx
    python examples/exported_without_tenuto.py model.onnx FILE...

Prints the likeliest label of each file and its probability (nan: no answer, to samples far too loud). Files must have
the model's sample rate.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import onnxruntime
import soundfile


def main(model: str, files: list[str]) -> list[tuple[str, str, float]]:
    """-> (file, label, probability) of each"""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    labels, rate_hz = json.loads(facts["labels"]), int(facts["sample_rate"])
    clips = []
    for file in files:
        samples, file_rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
        if file_rate_hz != rate_hz:
            sys.exit(f"{file} has {file_rate_hz} Hz, the model wants {rate_hz} Hz: resample it first")
        clips.append(samples.mean(1))
    lengths = np.array([len(clip) for clip in clips], dtype=np.int64)
    waveforms = np.zeros((len(clips), lengths.max()), dtype=np.float32)  # shorter clips: zeros behind them
    for row, clip in zip(waveforms, clips, strict=True):
        row[: len(clip)] = clip
    (probabilities,) = session.run(["probabilities"], {"waveforms": waveforms, "lengths": lengths})
    best = probabilities.argmax(1)
    answers = [(file, labels[i], float(row[i])) for file, i, row in zip(files, best, probabilities, strict=True)]
    answers = [answer if np.isfinite(answer[2]) else (answer[0], "no answer", answer[2]) for answer in answers]
    for file, label, probability in answers:
        print(f"{file}: {label} ({probability:.3f})")
    return answers


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
