"""The numbers that the paper prints (arXiv 2210.01719v2), to be set beside ours. All in percent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Printed:
    """Mean and standard deviation over three seeds, and whether it is marked as no worse than 100 FPS."""

    mean: float
    deviation: float
    mark: bool = False

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
