"""Figure 1: the spectrogram of files at several hops of one window, for the eye to see what a hop shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from tenuto.data.audio import read
from tenuto.errors import UsageError
from tenuto.experiments.figures.request import Drawn, Request
from tenuto.experiments.figures.shown import Shown, clips_of
from tenuto.frontend.compression import LogCompression
from tenuto.frontend.filterbanks import MelSpectrogram
from tenuto.frontend.importance import frame_energy
from tenuto.frontend.mel import mel_frequencies
from tenuto.report.panels import ClipPicture
from tenuto.report.spectrograms import spectrograms
from tenuto.report.style import save

HOPS_MS = (40.0, 10.0)
MIN_HOP_MS, MAX_HOP_MS = 0.5, 500.0
WINDOW_MS = 25.0
SAMPLE_RATE = 16000
N_MELS = 128
MAX_SECONDS = 10.0
N_CLIPS, MAX_CLIPS = 2, 6
MAX_HOPS = 8
EMPTY = 1e-4  # the paper's epsilon


def draw(request: Request, say: Callable[[str], None]) -> Drawn:
    """A column a file, a row a hop; at most the first ten seconds of a file."""
    hops, path = request.hops or HOPS_MS, request.picture
    if min(hops) < MIN_HOP_MS or max(hops) > MAX_HOP_MS:
        given = ",".join(f"{hop_ms:g}" for hop_ms in hops)
        raise UsageError(f"--hops {given}: wanted milliseconds from {MIN_HOP_MS:g} to {MAX_HOP_MS:g}")
    if len(hops) > MAX_HOPS:
        raise UsageError(f"{len(hops)} hops: figure1 has room for {MAX_HOPS}; name fewer")
    shown = clips_of(request, N_CLIPS, MAX_CLIPS)
    columns = [[_picture(each, hop_ms) for hop_ms in hops] for each in shown]
    rows = [f"{hop_ms:g} ms hop" for hop_ms in hops]
    clips = ", ".join(each.name for each in shown)
    value = {"clips": [str(each.path) for each in shown], "hops_ms": list(hops)}
    text = f"log-mel of {clips}: hops of {', '.join(f'{hop_ms:g}' for hop_ms in hops)} ms, windows of {WINDOW_MS:g} ms"
    return Drawn(text, [save(spectrograms(columns, rows), path)], value)


def mel_spectrogram(waveform: NDArray[np.float32], hop_ms: float) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(samples,) at 16 kHz -> log energies (band, frame), and which frames are empty (frame,)."""
    n_window, n_hop = (round(SAMPLE_RATE * ms / 1000) for ms in (WINDOW_MS, hop_ms))  # samples
    mel = MelSpectrogram(SAMPLE_RATE, n_fft=512, win_length=n_window, hop_length=n_hop, n_mels=N_MELS)
    with torch.inference_mode():
        energies = mel(torch.from_numpy(waveform)[None])
        return LogCompression()(energies)[0].numpy(), (frame_energy(energies) < EMPTY)[0].numpy()


def _picture(shown: Shown, hop_ms: float) -> ClipPicture:
    spectrogram, empty = mel_spectrogram(read(shown.path, SAMPLE_RATE, 0.0, MAX_SECONDS), hop_ms)
    return ClipPicture(
        title=shown.name,
        spectrogram=spectrogram,
        frame_seconds=round(SAMPLE_RATE * hop_ms / 1000) / SAMPLE_RATE,
        empty=empty,
        band_hz=mel_frequencies(N_MELS + 2, 0.0, SAMPLE_RATE / 2)[1:-1].numpy(),
    )
