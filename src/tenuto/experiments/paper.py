"""The numbers that the paper prints (arXiv 2210.01719v2), to be set beside ours. All in percent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Printed:
    """Mean and standard deviation over three seeds, and whether it is marked as no worse than 100 FPS."""

    mean: float
    deviation: float
    mark: bool = False
    time_share: float | None = None  # of the baseline's training time

    def __str__(self) -> str:
        return f"{self.mean:.1f} ± {self.deviation:.1f}{'†' if self.mark else ''}"


def _rows(
    *rows: tuple[float, tuple[float, ...], tuple[float, ...], str],
) -> dict[tuple[str, float], Printed]:
    """Lines of Table 1: FPS, means, deviations (in the order of the columns) and the columns with a mark."""
    columns = ("changehop", "avgpool", "convavgpool", "diffres")
    return {
        (method, fps): Printed(mean, deviation, method in marks.split())
        for fps, means, deviations, marks in rows
        for method, mean, deviation in zip(columns, means, deviations, strict=True)
    }


# Data set of the paper -> (method, FPS) -> printed.
TABLE1: dict[str, dict[tuple[str, float], Printed]] = {
    "AudioSet": {
        ("logmel", 100): Printed(43.7, 0.1),
        **_rows(
            (25, (38.6, 39.9, 40.1, 41.7), (0.3, 0.2, 0.2, 0.1), ""),
            (50, (41.8, 42.4, 42.7, 43.6), (0.2, 0.1, 0.2, 0.1), ""),
            (75, (42.7, 43.6, 43.5, 44.2), (0.2, 0.0, 0.2, 0.1), "diffres"),
        ),
    },
    "FSD50K": {
        ("logmel", 100): Printed(55.6, 0.3),
        **_rows(
            (25, (48.9, 51.4, 49.2, 56.9), (0.4, 0.4, 0.4, 0.2), "diffres"),
            (50, (53.3, 54.5, 52.2, 57.2), (0.4, 0.4, 0.8, 0.2), "diffres"),
            (75, (54.8, 55.3, 54.4, 57.1), (0.4, 0.3, 0.2, 0.4), "diffres"),
        ),
    },
    "ESC-50": {
        ("logmel", 100): Printed(85.2, 0.5),
        **_rows(
            (25, (74.6, 75.6, 72.4, 82.9), (0.6, 0.3, 1.2, 0.5), ""),
            (50, (82.4, 83.2, 77.3, 85.5), (0.5, 0.3, 0.8, 0.4), "diffres"),
            (75, (84.9, 85.2, 81.8, 86.8), (0.3, 0.4, 0.6, 0.3), "avgpool diffres"),
        ),
    },
    "Speech Commands": {
        ("logmel", 100): Printed(97.2, 0.1),
        **_rows(
            (25, (93.5, 94.9, 95.8, 95.0), (0.1, 0.4, 0.3, 0.3), ""),
            (50, (96.1, 96.0, 96.0, 96.7), (0.1, 0.2, 0.1, 0.2), ""),
            (75, (96.8, 96.9, 97.0, 97.2), (0.2, 0.1, 0.1, 0.0), "diffres"),
        ),
    },
    "NSynth": {
        ("logmel", 100): Printed(79.9, 0.2),
        **_rows(
            (25, (79.7, 78.3, 78.0, 80.5), (0.2, 0.7, 0.5, 0.2), "diffres"),
            (50, (79.9, 79.5, 79.4, 81.0), (0.0, 0.3, 0.3, 0.5), "changehop diffres"),
            (75, (79.8, 79.6, 79.7, 80.8), (0.2, 0.3, 0.4, 0.2), "diffres"),
        ),
    },
}


def _hops(means: tuple[float, ...], deviations: tuple[float, ...]) -> dict[float, Printed]:
    """A line of Table 2."""
    numbers = zip((10.0, 6.0, 3.0, 1.0), means, deviations, strict=True)
    return {hop_ms: Printed(mean, deviation) for hop_ms, mean, deviation in numbers}


# Data set of the paper -> hop in ms -> printed, all at 100 FPS: the log-mel at 10 ms, DiffRes at the others.
TABLE2: dict[str, dict[float, Printed]] = {
    "AudioSet": _hops((43.7, 44.1, 43.8, 43.7), (0.1, 0.1, 0.0, 0.1)),
    "ESC-50": _hops((85.2, 87.2, 88.0, 88.4), (0.4, 0.3, 0.6, 0.5)),
    "Speech Commands": _hops((97.2, 97.6, 97.9, 97.8), (0.1, 0.0, 0.1, 0.1)),
    "NSynth": _hops((79.9, 81.3, 81.8, 80.6), (0.2, 0.3, 0.2, 0.4)),
}
BEST_HOP_MS = {"AudioSet": 6.0, "ESC-50": 1.0, "Speech Commands": 3.0, "NSynth": 3.0}  # section 3.2


def _front_ends(means: tuple[float, ...], deviations: tuple[float, ...]) -> dict[str, Printed]:
    """A line of Table 3."""
    names = ("mel", "tdfbank", "sincnet", "leaf", "diffres", "best")
    numbers = zip(names, means, deviations, strict=True)
    return {name: Printed(mean, deviation) for name, mean, deviation in numbers}


# Data set of the paper -> front end -> printed. AudioSet's is the AUC (its mAP is 43.7), the others' the accuracy.
TABLE3: dict[str, dict[str, Printed]] = {
    "AudioSet": _front_ends((96.8, 96.5, 96.1, 96.8, 97.0, 97.5), (0.1, 0.1, 0.0, 0.1, 0.0, 0.0)),
    "Speech Commands": _front_ends((93.6, 89.5, 91.4, 93.6, 95.4, 97.9), (0.3, 0.4, 0.6, 0.3, 0.2, 0.1)),
    "NSynth": _front_ends((70.7, 66.3, 67.4, 70.2, 78.5, 81.8), (0.6, 0.6, 0.6, 0.6, 0.7, 0.2)),
}
TABLE3_PARAMETERS = {
    "mel": "0", "tdfbank": "51 k", "sincnet": "256", "leaf": "448", "diffres": "82 k", "best": "82 k"
}  # fmt: skip

# Section 3.1, on variable-length audio: DiffRes at 15 FPS, in 28 % of the training time of padding to 30 s.
FSD50K_15FPS = {"logmel": Printed(55.6, 0.3), "diffres": Printed(55.6, 0.2, mark=True, time_share=0.28)}
