"""The paper's Table 3: learnable front ends, all at 100 frames a second."""

from __future__ import annotations

from tenuto.experiments.experiment import FULL_FPS, HOP_MS, LOGMEL, Experiment, System
from tenuto.experiments.grid import Column
from tenuto.experiments.paper import BEST_HOP_MS, Printed
from tenuto.experiments.paper import TABLE3 as PRINTED
from tenuto.experiments.paper import TABLE3_PARAMETERS as PARAMETERS

OWN_RECIPE = "paper-recipe"


def _settings(paper_set: str | None, variant: str) -> list[str]:
    """Section 3.2: EfficientNet-B0 from scratch, fewer bands, and no augmentation except on AudioSet."""
    if variant == OWN_RECIPE:
        return []
    settings = ["model.backbone=efficientnet_b0", "model.pretrained=false", "model.head=mean"]
    if paper_set == "AudioSet":
        return [*settings, "frontend.n_mels=64"]
    return [*settings, "frontend.n_mels=40", "frontend.spec_augment=false", "data.mixup=0"]


def _printed(paper_set: str, system: System, column: Column) -> Printed | None:
    return PRINTED.get(paper_set, {}).get(system.name)


def _filterbank(name: str, head: str) -> System:
    return System(name, head, "logmel", name, fps=FULL_FPS, hop_ms=HOP_MS)


TABLE3 = Experiment(
    name="table3",
    title="Table 3",
    help="front ends: log-mel, TD-filterbanks, SincNet, LEAF, mel with DiffRes",
    caption="Learnable front ends at 100 frames a second, percent (accuracy; AUC on AudioSet); in brackets the paper's "
    "numbers. †: not below the log-mel.",
    systems=(
        System("mel", "Mel", "logmel", fps=LOGMEL.fps, hop_ms=LOGMEL.hop_ms),
        _filterbank("tdfbank", "TD-fbank"),
        _filterbank("sincnet", "SincNet"),
        _filterbank("leaf", "LEAF"),
        System("diffres", "Mel+DiffRes", "diffres"),
        System("best", "Mel+DiffRes (Best)", "diffres", OWN_RECIPE),
    ),
    baseline_head="Mel",
    fps=(FULL_FPS,),
    hops=(3.0,),
    hop_of=BEST_HOP_MS,
    row=lambda system, column: {},
    printed=_printed,
    settings=_settings,
    in_paper="EfficientNet-B0, from scratch; Best: EfficientNet-B2, ImageNet weights",
    averaged=True,
    parameters=PARAMETERS,
    auc_of=("AudioSet",),
    notes=(
        "Mel+DiffRes: a spectrogram of the hop that Table 2 finds best for the data set (else 3 ms; --hops chooses), "
        "of which 100 frames a second are kept.",
        "Mel+DiffRes (Best): the same with the data set's own recipe, as in Table 2, instead of the small setting that "
        "all others share (fewer bands and no augmentation, except on AudioSet).",
        "LEAF has learned PCEN compression, as published; all others the logarithm.",
    ),
)
