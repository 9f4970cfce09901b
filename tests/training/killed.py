"""Trains in a process that is killed (SIGKILL) while it writes a checkpoint: `python killed.py SOUNDS RUN N`.

The N-th write of last.ckpt stops half way, as a power cut or `kill -9` would have it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from tenuto.data.sets import find_clips
from tenuto.training.fit import fit
from training.sounds import small_recipe


def main(sounds: str, run: str, n: int) -> None:
    whole, written = torch.save, 0

    def save(value: Any, path: Path) -> None:
        nonlocal written
        written += "last.ckpt" in path.name
        whole(value, path)
        if written == n and "last.ckpt" in path.name:
            os.truncate(path, path.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    torch.save = save
    fit(small_recipe(), find_clips(sounds), run, seed=3)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
