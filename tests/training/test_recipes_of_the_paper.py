"""The recipes beside Tables 4 and 5 of the paper, typed out as they are printed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from data.layouts.test_audioset import make_audioset
from data.layouts.test_fsd50k import make_fsd50k
from data.layouts.test_nsynth import FAMILIES, make_nsynth
from data.layouts.test_speechcommands import make_speechcommands
from data.sounds import chirp, write
from tenuto.data.archives import PUBLICATIONS
from tenuto.data.clips import ClipTable
from tenuto.data.sets import find_clips
from tenuto.data.utterances import WORDS_35
from tenuto.training.callbacks import EpochEnd
from tenuto.training.recipe import load_recipe
from tenuto.training.runs import RunFolder

TABLE_4 = """
| Dataset        | Learning rate | Epoch | Batchsize | Scheduler (start epoch, gamma, every n epoch) | GPU(s) |
| Audioset       | 1.0x10^-4     | 30    | 22        | (11, 0.5, 5)  | 4 |
| FSD50K         | 5.0x10^-4     | 40    | 15        | (21, 0.5, 5)  | 1 |
| ESC50          | 2.5x10^-4     | 80    | 32        | (41, 0.95, 1) | 1 |
| SpeechCommands | 2.5x10^-4     | 60    | 128       | (25, 0.9, 1)  | 1 |
| NSynth         | 1.0x10^-4     | 30    | 48        | (11, 0.85, 1) | 1 |
"""
TABLE_5 = """
| Dataset                 | AudioSet   | FSD50K     | ESC50      | SpeechCommands | NSynth     |
| Classes                 | 527        | 200        | 50         | 35             | 11         |
| Train examples          | 1 912 134  | 36 799     | 2000       | 84 771         | 289 205    |
| Test examples           | 18 887     | 10 231     | -          | 10 700         | 12 678     |
| Duration (mean,std)     | 9.91, 0.50 | 7.63, 7.82 | 5.00, 0.00 | 0.98, 0.07     | 4.00, 0.00 |
| Pad to length           | 1000       | 3000       | 500        | 98             | 400        |
| Evaluation metric       | mAP        | mAP        | Accuracy   | Accuracy       | Accuracy   |
| 5-fold cross-validation | -          | -          | ✓          | -              | -          |
| Class re-balancing      | ✓          | ✓          | -          | -              | -          |
"""


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()]


ROWS_4 = {row[0].lower(): row[1:] for row in cells(TABLE_4)[1:]}
NAMES_5, *ROWS_5 = ([row[0], *row[1:]] for row in cells(TABLE_5))
COLUMNS_5 = {
    name.lower(): {row[0]: row[k] for row in ROWS_5} for k, name in enumerate(NAMES_5[1:], start=1)
}  # {data set: {row: cell}}


def make_esc50(root: Path) -> Path:
    rows = []
    for fold in range(1, 6):
        for target in range(50):
            name = f"{fold}-{target}-A-{target}.wav"
            rows.append(f"{name},{fold},{target},class {target},{target < 10},{target},A")
    write(root / "audio" / "1-0-A-0.wav", chirp(0.1))
    (root / "meta").mkdir()
    (root / "meta" / "esc50.csv").write_text(
        "\n".join(["filename,fold,target,category,esc10,src_file,take", *rows]) + "\n"
    )
    return root


def small_set(name: str, root: Path) -> ClipTable:
    """The data set in its layout, with as many classes as it takes to see what counts here."""
    makers = {"audioset": make_audioset, "fsd50k": make_fsd50k, "esc50": make_esc50, "nsynth": make_nsynth}
    layout = "nsynth-paper" if name == "nsynth" else name
    return find_clips(makers.get(name, make_speechcommands)(root), layout)


@pytest.mark.parametrize("name", ROWS_4)
def test_table_4(name: str) -> None:
    rate, epochs, batch, schedule, _ = ROWS_4[name]
    mantissa, exponent = rate.split("x10^")
    recipe = load_recipe(name)
    t = recipe.training
    assert Fraction(str(t.learning_rate)) == Fraction(mantissa) * Fraction(10) ** int(exponent)
    assert (t.epochs, recipe.data.batch_size) == (int(epochs), int(batch))
    assert f"({t.schedule_start}, {t.schedule_gamma:g}, {t.schedule_every})" == schedule


@pytest.mark.parametrize("name", COLUMNS_5)
def test_table_5(tmp_path: Path, name: str) -> None:
    row, recipe, table = COLUMNS_5[name], load_recipe(name), small_set(name, tmp_path)
    n_samples = Fraction(str(recipe.data.clip_seconds)) * recipe.frontend.sample_rate
    assert n_samples / recipe.frontend.hop_length == int(row["Pad to length"])
    assert recipe.data.balanced == (row["Class re-balancing"] == "✓")
    assert (len(table.folds) == 5) == (row["5-fold cross-validation"] == "✓")
    assert {clip.split for clip in table.clips} >= ({None} if table.folds else {"train", "test"})
    metric = EpochEnd(RunFolder(tmp_path), None, table.multi_label, 1, print).metric
    assert metric.lower() == row["Evaluation metric"].lower()


def test_classes_and_examples_of_table_5(tmp_path: Path) -> None:
    assert (len(WORDS_35), len(FAMILIES)) == (
        int(COLUMNS_5["speechcommands"]["Classes"]),
        int(COLUMNS_5["nsynth"]["Classes"]),
    )
    assert len(small_set("esc50", tmp_path / "esc50").labels) == int(COLUMNS_5["esc50"]["Classes"])
    assert PUBLICATIONS["esc50"].n_clips == int(COLUMNS_5["esc50"]["Train examples"])
    nsynth = [int(COLUMNS_5["nsynth"][f"{part} examples"].replace(" ", "")) for part in ("Train", "Test")]
    assert PUBLICATIONS["nsynth"].n_clips == sum(nsynth) + 4096, "the paper tests on nsynth-valid, not on the 4,096"


@pytest.mark.parametrize("name", ROWS_4)
def test_section_3(name: str) -> None:
    """16 kHz, 25 ms windows every 10 ms, 128 bands, EfficientNet-B2 of ImageNet with four heads, both augmentations."""
    recipe = load_recipe(name)
    f, m = recipe.frontend, recipe.model
    assert (f.sample_rate, f.win_length, f.hop_length, f.n_mels, f.spec_augment) == (16000, 400, 160, 128, True)
    assert (f.resolution, f.guide_lambda, f.mean, f.max, f.encoding) == ("diffres", 0.5, True, True, "sinusoidal")
    assert (m.backbone, m.pretrained, m.head, m.n_heads) == ("efficientnet_b2", True, "attention", 4)
    assert recipe.data.mixup == 0.5
