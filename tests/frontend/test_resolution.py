"""The baselines by their definitions, and every resolution through the trials of all layers."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from oracles import importance as network_oracle
from oracles import resolution as oracle
from oracles import warp as warp_oracle
from tenuto import PCEN, AvgPool, ChangeHop, ConvAvgPool, DiffRes, LogCompression, UsageError
from tenuto.frontend.compression import Compression, LayerNorm
from tenuto.frontend.lengths import length_mask
from tenuto.frontend.resolution import FullResolution, Resolution
from tolerances import assert_close
from trials import TRIALS, Outcome, Subject, unsettled

N_BANDS = 6
ENERGIES = (7, 20)  # two clips' frames


def energies(n_clips: int, n_frames: int, n_bands: int = N_BANDS) -> Tensor:
    """Loud and quiet over some five decades, as real spectrograms are."""
    return torch.exp(2 * torch.randn(n_clips, n_bands, n_frames) - 3)


class LikePcen(Compression):
    """A stand-in for compressions that look along time: each frame over a running mean of those before it."""

    along_time = True

    def forward(self, energies: Tensor, lengths: Tensor | None = None) -> Tensor:
        n_frames = torch.arange(1, energies.shape[-1] + 1, dtype=energies.dtype, device=energies.device)
        return energies / (energies.cumsum(-1) / n_frames + 0.1)


def on_energies(compression: Callable[[], Compression]) -> Callable[..., Outcome]:
    def call(layer: nn.Module, batch: Tensor, lengths: Tensor | None) -> Outcome:
        out = layer(batch, lengths, compression().to(batch))
        return Outcome(out.features, out.lengths, out.importance, torch.stack([out.guide_loss, out.activeness]))

    return call


def on_log_mel(layer: nn.Module, batch: Tensor, lengths: Tensor | None) -> Outcome:
    out = layer(batch, lengths)
    return Outcome(out.features, out.lengths, out.importance, torch.stack([out.guide_loss, out.activeness]))


WITH_LOG = on_energies(LogCompression)


def log_mel(n_clips: int, n_frames: int) -> Tensor:
    return energies(n_clips, n_frames).log()


SUBJECTS = [
    Subject("DiffRes", lambda: DiffRes(N_BANDS, 0.5), energies, WITH_LOG),
    Subject("DiffRes on log-mel", lambda: DiffRes(N_BANDS, 0.75), log_mel, on_log_mel),
    Subject(
        "DiffRes, learnable logarithm",
        lambda: DiffRes(N_BANDS),
        energies,
        on_energies(lambda: LogCompression(learnable=True)),
    ),
    Subject("DiffRes, layer norm", lambda: DiffRes(N_BANDS), energies, on_energies(lambda: LayerNorm(N_BANDS))),
    Subject("DiffRes, along time", lambda: DiffRes(N_BANDS, 0.5), energies, on_energies(LikePcen)),
    Subject("DiffRes, paper's rescaling", lambda: DiffRes(N_BANDS, 0.5, rescaling="paper"), energies, WITH_LOG),
    Subject("DiffRes, fixed number", lambda: DiffRes(N_BANDS, n_kept=5), energies, WITH_LOG),
    Subject("DiffRes, learnable encoding", lambda: DiffRes(N_BANDS, 0.5, encoding="learnable"), energies, WITH_LOG),
    Subject("DiffRes, mean alone", lambda: DiffRes(N_BANDS, 0.5, max=False, encoding="none"), energies, WITH_LOG),
    Subject("DiffRes, max alone", lambda: DiffRes(N_BANDS, 0.5, mean=False, encoding="none"), energies, WITH_LOG),
    Subject("DiffRes, Eq. 5 alone", lambda: DiffRes(N_BANDS, 0.5, algorithm1=False), energies, WITH_LOG, smooth=False),
    Subject("DiffRes, dilated", lambda: DiffRes(N_BANDS, 0.5, dilation=4), energies, WITH_LOG),
    Subject("AvgPool", lambda: AvgPool(0.6), energies, WITH_LOG),
    Subject("AvgPool on log-mel", lambda: AvgPool(0.6), log_mel, on_log_mel),
    Subject("AvgPool of the compressed", lambda: AvgPool(0.6, of="compressed"), energies, WITH_LOG),
    Subject("AvgPool, along time", lambda: AvgPool(0.6), energies, on_energies(LikePcen)),
    Subject("ConvAvgPool", lambda: ConvAvgPool(N_BANDS, 0.6), energies, WITH_LOG),
    Subject("ConvAvgPool on log-mel", lambda: ConvAvgPool(N_BANDS, 0.6), log_mel, on_log_mel),
    Subject("FullResolution", FullResolution, energies, WITH_LOG),
    Subject("ChangeHop", ChangeHop, log_mel, on_log_mel),
]


@pytest.mark.parametrize("trial", TRIALS)
@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_trials(subject: Subject, trial: Callable[[Subject], None]) -> None:
    trial(subject)


# The baselines by their definitions


@pytest.mark.parametrize(("n_frames", "reduction", "n_kept"), [(20, 0.75, 5), (23, 0.6, 9), (7, 0.3, 5), (1, 0.9, 1)])
def test_average_pooling_is_the_overlap_of_even_shares_then_the_logarithm(
    n_frames: int, reduction: float, n_kept: int
) -> None:
    spectrogram, log = energies(2, n_frames).double(), LogCompression()
    weights = warp_oracle.tensor(warp_oracle.overlap(oracle.uniform(n_frames, n_kept), n_kept))
    out = AvgPool(reduction)(spectrogram, compression=log)
    before = AvgPool(reduction, of="compressed")(spectrogram, compression=log)
    on_logs = AvgPool(reduction)(spectrogram.log())
    assert out.features.shape == (2, 1, N_BANDS, n_kept)
    assert out.lengths.tolist() == [n_kept, n_kept]
    for i, clip in enumerate(spectrogram):
        assert_close(out.features[i, 0], log(warp_oracle.mean(clip, weights)), "float64")
        assert_close(before.features[i, 0], warp_oracle.mean(log(clip), weights), "float64")
        assert_close(on_logs.features[i, 0], warp_oracle.mean(clip, weights).log(), "float64")


def test_average_pooling_by_whole_factors_is_torchs() -> None:
    spectrogram = energies(2, 24)
    out = AvgPool(0.75)(spectrogram, compression=LogCompression(10000, 1))
    expected = torch.log1p(10000 * nn.functional.avg_pool1d(spectrogram, 4))
    assert_close(out.features[:, 0], expected, "float32")


def test_conv_avg_pool_compresses_convolves_and_pools() -> None:
    layer, spectrogram, log = unsettled(ConvAvgPool(N_BANDS, 0.6)).double(), energies(1, 23).double(), LogCompression()
    weights = warp_oracle.tensor(warp_oracle.overlap(oracle.uniform(23, 9), 9))
    (convolved,) = network_oracle.network(layer, [log(spectrogram)[0]], training=False, last_activation=True)
    assert_close(
        layer(spectrogram, compression=log).features[0, 0], warp_oracle.mean(convolved.detach(), weights), "float64"
    )


def test_conv_avg_pool_has_493_824_parameters_at_128_bands() -> None:
    assert sum(p.numel() for p in ConvAvgPool(128).parameters()) == 493_824


@pytest.mark.parametrize(("along_time", "n_compressed"), [(False, 5), (True, 20)])
def test_average_pooling_compresses_what_it_says_and_no_more(along_time: bool, n_compressed: int) -> None:
    lengths = []

    class Counted(LogCompression):
        def forward(self, energies: Tensor, lengths_: Tensor | None = None) -> Tensor:
            lengths.append(energies.shape[-1])
            return super().forward(energies, lengths_)

    compression = Counted(beta=2.0)
    compression.along_time = along_time
    AvgPool(0.75)(torch.rand(2, 3, 20), compression=compression)
    assert lengths == [n_compressed]


def test_full_resolution_is_the_compressed_spectrogram() -> None:
    spectrogram = energies(2, 9)
    assert_close(
        FullResolution()(spectrogram, compression=LogCompression()).features[:, 0],
        LogCompression()(spectrogram),
        "exact",
    )


@pytest.mark.parametrize("build", [AvgPool, lambda r: ConvAvgPool(N_BANDS, r), lambda r: DiffRes(N_BANDS, r)])
@pytest.mark.parametrize("n_frames", [1, 2, 3, 10, 99, 100])
@pytest.mark.parametrize("reduction", [0.0, 0.25, 0.5, 0.75, 0.9])
def test_kept_says_what_comes_out(build: Callable[[float], Resolution], n_frames: int, reduction: float) -> None:
    layer = build(reduction).eval()
    out = layer(energies(1, n_frames), compression=LogCompression())
    assert out.lengths.dtype == torch.int64
    assert layer.kept(n_frames) == out.lengths.item() == out.features.shape[-1]
    assert layer.kept(torch.tensor([n_frames])).tolist() == [layer.kept(n_frames)]
    assert out.importance is not None
    assert_close(out.importance.double().sum(1), out.lengths.double(), "float32")


@pytest.mark.parametrize("build", [FullResolution, AvgPool, lambda: ConvAvgPool(N_BANDS), ChangeHop])
def test_what_learns_no_importance_has_no_losses(build: Callable[[], Resolution]) -> None:
    out = build()(energies(2, 20), compression=LogCompression())
    assert (out.guide_loss.shape, out.activeness.shape) == ((), ())
    assert out.guide_loss == out.activeness == 0


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_a_clip_of_no_frames_among_others_harms_nobody(subject: Subject) -> None:
    layer, batch = unsettled(subject.build()), subject.inputs(2, 12)
    mixed = subject.call(layer, batch, torch.tensor([12, 0]))
    alone = subject.call(layer, batch[:1], None)
    assert mixed.lengths.tolist() == [alone.lengths.item(), 0]
    assert (mixed.features[1] == 0).all()
    assert_close(mixed.features[:1], alone.features, "padding")
    assert mixed.losses is None or torch.isfinite(mixed.losses).all()


@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize("rubbish", [torch.nan, torch.inf])
@pytest.mark.parametrize("compress", [None, LogCompression, lambda: PCEN(N_BANDS), lambda: LayerNorm(N_BANDS)])
@pytest.mark.parametrize(
    "build",
    [
        lambda: DiffRes(N_BANDS),
        lambda: DiffRes(N_BANDS, algorithm1=False),
        AvgPool,
        lambda: AvgPool(of="compressed"),
        lambda: ConvAvgPool(N_BANDS),
        FullResolution,
    ],
)
def test_numbers_that_are_none_beyond_a_clip_are_not_read(
    build: Callable[[], Resolution], compress: Callable[[], Compression] | None, rubbish: float, learns: bool
) -> None:
    layer, lengths = unsettled(build()).eval(), torch.arange(1, 31)  # importances of some round to less than they fill
    compression = None if compress is None else compress()
    clean = log_mel(30, 30) if compression is None else energies(30, 30)
    spoilt = clean.masked_fill(~length_mask(lengths, 30)[:, None], rubbish)
    with torch.set_grad_enabled(learns):
        expected, found = (layer(batch, lengths, compression) for batch in (clean, spoilt))
    assert_close(found.features, expected.features, "padding")
    assert_close(found.guide_loss, expected.guide_loss, "padding")


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_lengths_of_whole_clips_are_no_lengths(subject: Subject) -> None:
    """To the last digit, in training: the norms are PyTorch's own, and nothing is masked."""
    layer, batch = unsettled(subject.build()).train(), subject.inputs(3, 12)
    found, expected = (subject.call(copy.deepcopy(layer), batch, n) for n in (torch.full((3,), 12), None))
    assert torch.equal(found.features, expected.features)
    assert torch.equal(found.lengths, expected.lengths)


@pytest.mark.parametrize(("n_frames", "reduction", "n_kept"), [(100_000, 0.7, 30_000), (99_999, 0.33, 66_999)])
def test_average_pooling_of_a_constant_is_the_constant_to_the_last_of_many_frames(
    n_frames: int, reduction: float, n_kept: int
) -> None:
    out = AvgPool(reduction)(torch.full((1, 2, n_frames), 0.5), compression=LogCompression())
    assert out.features.shape[-1] == n_kept
    assert_close(out.features, torch.full_like(out.features, 0.5).log(), "float32")


@pytest.mark.parametrize("build", [FullResolution, AvgPool, lambda: ConvAvgPool(N_BANDS), lambda: DiffRes(N_BANDS)])
@pytest.mark.parametrize(
    "spectrogram",
    [torch.rand(N_BANDS, 9), torch.rand(1, 1, N_BANDS, 9), torch.rand(1, N_BANDS, 0), torch.ones(1, N_BANDS, 9).int()],
)
def test_spectrograms_of_another_kind_are_refused(build: Callable[[], Resolution], spectrogram: Tensor) -> None:
    with pytest.raises(UsageError, match=r"wanted a float tensor \(batch, band, frame\)"):
        build()(spectrogram)


@pytest.mark.parametrize(
    "build", [AvgPool, lambda r: ConvAvgPool(N_BANDS, r), lambda r: DiffRes(N_BANDS, r), ChangeHop]
)
@pytest.mark.parametrize("reduction", [1.0, -0.5])
def test_a_reduction_that_leaves_nothing_is_refused(build: Callable[[float], Resolution], reduction: float) -> None:
    with pytest.raises(UsageError, match="wanted a share of frames to save"):
        build(reduction)
