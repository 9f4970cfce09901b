"""Figure 5 as the laboratory calls it: rows, and a page with its picture."""

from __future__ import annotations

from pathlib import Path

from tenuto.experiments.throughput import figure5, figure5_page
from tenuto.inference.benchmark import Size


def test_figure_5_and_its_page(tmp_path: Path) -> None:
    size = Size(n_rounds=1, batch_size=1, seconds=0.3, n_bands=16, backbone="sbcnn", fps=(25.0,))
    page = figure5_page(figure5(size), size, tmp_path)
    assert [row["front end"] for row in page["throughput"]["rows"]] == ["Mel", "LEAF", "Mel + DiffRes"]
    assert "Figure 5: sbcnn, batch 1, clips of 0.3 s" in page["text"]
    assert sorted(Path(path).name for path in page["files"]) == ["benchmark.json", "benchmark.md", "throughput.png"]


def test_the_papers_figure_5_is_the_default() -> None:
    size = Size()
    assert (size.backbone, size.n_bands, size.fps) == ("efficientnet_b2", 128, (25, 50, 75, 100))
