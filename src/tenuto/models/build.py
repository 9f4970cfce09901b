"""From settings to a front end and a classifier: the one place that knows which name is which class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tenuto.errors import UsageError
from tenuto.frontend.compression import Compression, LayerNorm, LogCompression
from tenuto.frontend.diffres import DiffRes
from tenuto.frontend.filterbanks import Filterbank, MelSpectrogram
from tenuto.frontend.frontend import Frontend
from tenuto.frontend.leaf import Leaf
from tenuto.frontend.pcen import PCEN
from tenuto.frontend.resolution import AvgPool, ChangeHop, ConvAvgPool, FullResolution, Resolution
from tenuto.frontend.sincnet import SincNet
from tenuto.frontend.spec_augment import SpecAugment
from tenuto.frontend.time_domain import TimeDomainFilterbank
from tenuto.models.backbones import SBCNN, Backbone, TimmBackbone, glorot
from tenuto.models.classifier import Activation, Classifier, check_labels
from tenuto.models.heads import AttentionPooling, ClassScores, Head, MeanPooling
from tenuto.models.prototypes import Prototypes
from tenuto.models.settings import FrontendSettings, ModelSettings
from tenuto.models.timbre import Timbre
from tenuto.models.vgg import VGG


def build_frontend(settings: FrontendSettings) -> Frontend:
    """The front end that `settings` describe, with fresh weights."""
    return Frontend(
        _filterbank(settings),
        _resolution(settings),
        _compression(settings),
        SpecAugment() if settings.spec_augment else None,
    )


def build_classifier(
    frontend: FrontendSettings,
    model: ModelSettings,
    labels: Sequence[str],
    multi_label: bool = False,
    activation: Activation = "sigmoid",
) -> Classifier:
    """The classifier that the settings describe, with fresh (or, by `model.pretrained`, timm's) weights.

    Raises:
        UsageError: see `Classifier`, `TimmBackbone` and the front end's parts.
        WorkError: pretrained weights that cannot be had.
    """
    check_labels(labels, multi_label, activation)  # before anything is built or fetched
    if model.head == "prototypes" and activation != "softmax":
        raise UsageError("head='prototypes' tells classes apart by distance, one a clip: use activation='softmax'")
    front = build_frontend(frontend)
    backbone = _backbone(model, front, len(labels))
    head = _head(model, backbone.n_features, len(labels))
    if model.n_frames is not None:
        head.apply(glorot)
    settings = (frontend, model)
    return Classifier(front, backbone, head, labels, multi_label=multi_label, activation=activation, settings=settings)


def _filterbank(settings: FrontendSettings) -> Filterbank:
    match settings.filterbank:
        case "mel":
            return _mel(settings)
        case "leaf":
            return Leaf(**_window(settings), **_gabor(settings))
        case "time-domain":
            return TimeDomainFilterbank(**_window(settings), **_gabor(settings))
        case "sincnet" | "sincnet+":
            plus = settings.filterbank == "sincnet+"
            return SincNet(**_window(settings), f_min=settings.f_min or 50.0, plus=plus)


def _window(settings: FrontendSettings) -> dict[str, Any]:
    window_length = settings.win_length + 1 - settings.win_length % 2  # 25 ms: 401 samples, as published
    chosen = {"n_filters": settings.n_mels, "sample_rate": settings.sample_rate}
    return chosen | {"window_length": window_length, "hop_length": settings.hop_length}


def _gabor(settings: FrontendSettings) -> dict[str, Any]:
    """LEAF's range, 60 Hz to 7800 Hz of 16 kHz, and start, which is made for 16 kHz: elsewhere the analytic one."""
    f_max = settings.f_max or settings.sample_rate * 7800 / 16000
    start = "published" if settings.sample_rate == 16000 else "analytic"
    return {"f_min": settings.f_min or 60.0, "f_max": f_max, "start": start}


def _mel(settings: FrontendSettings) -> MelSpectrogram:
    return MelSpectrogram(
        sample_rate=settings.sample_rate,
        n_fft=settings.n_fft,
        win_length=settings.win_length,
        hop_length=settings.hop_length,
        n_mels=settings.n_mels,
        f_min=settings.f_min,
        f_max=settings.f_max,
        mel_scale=settings.mel_scale,
    )


def _compression(settings: FrontendSettings) -> Compression:
    match settings.compression:
        case "log":
            return LogCompression()
        case "log10000":
            return LogCompression(alpha=10000.0, beta=1.0)
        case "log-learn":
            return LogCompression(learnable=True)
        case "layernorm":
            return LayerNorm(settings.n_mels)
        case "pcen":
            return PCEN(settings.n_mels)


def _resolution(settings: FrontendSettings) -> Resolution:
    match settings.resolution:
        case "none":
            return FullResolution()
        case "avgpool":
            return AvgPool(settings.reduction, settings.avgpool_of)
        case "convavgpool":
            return ConvAvgPool(settings.n_mels, settings.reduction)
        case "changehop":
            return ChangeHop(settings.reduction)
        case "diffres":
            return _diffres(settings)


def _diffres(settings: FrontendSettings) -> DiffRes:
    return DiffRes(
        settings.n_mels,
        settings.reduction,
        n_kept=settings.n_kept,
        rescaling=settings.rescaling,
        mean=settings.mean,
        max=settings.max,
        encoding=settings.encoding,
        algorithm1=settings.algorithm1,
        guide_lambda=settings.guide_lambda,
        normalizer=settings.normalizer,
        dilation=settings.dilation,
    )


def _backbone(settings: ModelSettings, frontend: Frontend, n_classes: int) -> Backbone:
    n_channels, n_bands = frontend.n_channels, frontend.n_bands
    match settings.backbone:
        case "sbcnn":  # as the post has it, batch norm is at its input alone
            return SBCNN(n_channels, n_bands, settings.n_frames, batch_norm=settings.n_frames is None)
        case "vgg":
            return VGG(n_channels, n_bands, settings.n_filters, settings.n_frames)
        case "timbre":
            return Timbre(n_channels, n_bands, n_classes, settings.n_frames)
        case name:
            return TimmBackbone(name, n_channels, settings.pretrained)


def _head(settings: ModelSettings, n_features: int, n_classes: int) -> Head:
    match settings.head:
        case "attention":
            return AttentionPooling(n_features, n_classes, settings.n_heads)
        case "mean":
            return MeanPooling(n_features, n_classes, settings.dropout)
        case "prototypes":
            return Prototypes(n_features, n_classes, settings.n_embedding, settings.dropout)
        case "none":
            return ClassScores(n_classes)
