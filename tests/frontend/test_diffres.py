"""DiffRes by its definition: features from its own importance, losses, ablations, extremes."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from oracles import importance as loss_oracle
from oracles import resolution as oracle
from oracles import warp as warp_oracle
from tenuto import DiffRes, LogCompression, UsageError
from tenuto.frontend.compression import Compression
from tenuto.frontend.output import ResolutionOutput
from tolerances import assert_close
from trials import unsettled

FEW = settings(max_examples=20, derandomize=True, deadline=None, database=None)
N_BANDS = 6
LENGTHS = (30, 17, 1)


def batch(n_bands: int = N_BANDS) -> tuple[Tensor, Tensor]:
    """Energies in float64, some frames empty (below 1e-4), padding of rubbish; and lengths."""
    energies = torch.exp(2 * torch.randn(3, n_bands, 33, dtype=torch.float64) - 2)
    energies[:, :, 3:8] *= 1e-6
    lengths = torch.tensor(LENGTHS)
    for clip, length in zip(energies, lengths, strict=True):
        clip[:, length:] = 7.0
    return energies, lengths


def layer(reduction: float = 0.6, **settings: Any) -> DiffRes:
    built = unsettled(DiffRes(N_BANDS, reduction, **settings)).double()
    assert isinstance(built, DiffRes)
    return built


def uniform(built: DiffRes) -> DiffRes:
    """With the network silenced, so that all frames are equally important."""
    for parameter in built.importance.parameters():
        nn.init.zeros_(parameter)
    return built


def of_clip(out: ResolutionOutput, i: int) -> tuple[Tensor, Tensor, int]:
    """Features (channel, band, kept), importance (frame), kept of clip i."""
    assert out.importance is not None
    n_kept = int(out.lengths[i])
    return out.features[i, ..., :n_kept].detach(), out.importance[i, : LENGTHS[i]].detach(), n_kept


# Features


@pytest.mark.parametrize("algorithm1", [True, False])
@pytest.mark.parametrize("rescaling", ["exact", "paper"])
@pytest.mark.parametrize("compression", [LogCompression(), LogCompression(10000, 1), LogCompression(learnable=True)])
def test_features_are_mean_max_encoding_and_the_compression_follows_the_warp(
    algorithm1: bool, rescaling: Any, compression: Compression
) -> None:
    energies, lengths = batch()
    compression = compression.double()
    out = layer(algorithm1=algorithm1, rescaling=rescaling)(energies, lengths, compression)
    assert out.features.shape == (3, 3, N_BANDS, 12)
    for i, length in enumerate(LENGTHS):
        features, importance, n_kept = of_clip(out, i)
        weights = oracle.matrix(importance, n_kept, algorithm1)
        mean, largest = oracle.aggregates(energies[i, :, :length], weights)
        encoding = warp_oracle.mean(oracle.position_encoding(N_BANDS, length), weights)
        with torch.no_grad():
            assert_close(features[0], compression(mean), "float64")
            assert_close(features[1], compression(largest), "float64")
        assert_close(features[2], encoding, "float32")  # the table of sinusoids is kept in float32


@pytest.mark.parametrize("shift", [0.0, 300.0, -300.0])
def test_a_log_mel_is_its_energies(shift: float) -> None:
    energies, lengths = batch()
    built = layer()
    out = built(energies.log() + shift, lengths)
    for i, length in enumerate(LENGTHS):
        features, importance, n_kept = of_clip(out, i)
        mean, largest = oracle.aggregates(energies[i, :, :length], oracle.matrix(importance, n_kept))
        assert_close(features[0], mean.log() + shift, "bisection")
        assert_close(features[1], largest.log() + shift, "bisection")
    if shift == 0:
        same = built(energies, lengths, LogCompression(beta=1e-30))
        assert_close(same.features, out.features, "bisection")
        assert_close(same.guide_loss, out.guide_loss, "bisection")
        assert_close(same.activeness, out.activeness, "bisection")


@pytest.mark.parametrize("height", [1e4, 1e3, -1e3, -1e4, -1e30])
@pytest.mark.parametrize("training", [False, True])
def test_huge_logs_stay_finite(height: float, training: bool) -> None:
    built = DiffRes(N_BANDS).train(training)
    log_mel = (torch.randn(2, N_BANDS, 20) + height).requires_grad_()
    out = built(log_mel, torch.tensor([20, 9]))
    for value in (out.features, out.importance, out.guide_loss, out.activeness):
        assert torch.isfinite(value).all()
    (out.features.mean() + out.guide_loss).backward()
    assert all(torch.isfinite(p.grad).all() for p in built.parameters() if p.grad is not None)
    if abs(height) <= 1e4:
        assert (out.features[0, :2] - height).abs().max() < 10


def test_logs_far_apart_stay_finite() -> None:
    log_mel = torch.randn(1, N_BANDS, 20)
    log_mel[..., ::2], log_mel[..., 1::4] = -1e4, 200
    assert torch.isfinite(DiffRes(N_BANDS)(log_mel).features).all()


@pytest.mark.parametrize("where", ["a cell", "a frame", "a clip"])
def test_the_logarithm_of_zero_stays_finite(where: str) -> None:
    log_mel = torch.randn(2, N_BANDS, 20)
    log_mel[{"a cell": (0, 3, 4), "a frame": (0, slice(None), 4), "a clip": (0,)}[where]] = -torch.inf
    out = DiffRes(N_BANDS).eval()(log_mel)
    for value in (out.features, out.importance, out.guide_loss, out.activeness):
        assert torch.isfinite(value).all()


@FEW
@given(st.integers(2, 60), st.floats(0.5, 0.95), st.floats(1e-3, 100))
def test_constant_in_constant_out_under_uniform_importance(n_frames: int, reduction: float, constant: float) -> None:
    energies = torch.full((1, N_BANDS, n_frames), constant, dtype=torch.float64)
    out = uniform(layer(reduction))(energies, compression=LogCompression())
    if n_frames >= 2 * out.lengths:  # an output owns one whole frame at least
        assert_close(out.features[:, :2], LogCompression()(torch.full_like(out.features[:, :2], constant)), "float64")


@FEW
@given(st.integers(1, 8), st.integers(1, 10))
def test_uniform_importance_is_average_pooling(width: int, n_out: int) -> None:
    energies = torch.exp(torch.randn(2, N_BANDS, width * n_out, dtype=torch.float64))
    out = uniform(layer(1 - 1 / width))(energies, compression=LogCompression())
    expected = LogCompression()(nn.functional.avg_pool1d(energies, width))
    assert_close(out.features[:, 0], expected, "float64")


def test_reduction_0_is_the_identity() -> None:
    energies = torch.exp(torch.randn(2, N_BANDS, 25))
    built = unsettled(DiffRes(N_BANDS, 0.0))
    out = built(energies, compression=LogCompression())
    assert_close(out.importance, torch.ones(2, 25), "exact")
    assert_close(out.features[:, 0], LogCompression()(energies), "exact")
    assert_close(out.features[:, 1], LogCompression()(energies), "exact")
    assert_close(out.features[0, 2], oracle.position_encoding(N_BANDS, 25), "float32")


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("encoding", ["sinusoidal", "learnable", "none"])
def test_each_channel_can_be_left_out(mean: bool, largest: bool, encoding: Any) -> None:
    if not (mean or largest):
        with pytest.raises(UsageError, match="wanted at least one of them"):
            layer(mean=mean, max=largest, encoding=encoding)
        return
    whole = layer(encoding="sinusoidal" if encoding == "none" else encoding)
    part = layer(mean=mean, max=largest, encoding=encoding)
    part.load_state_dict(whole.state_dict(), strict=encoding != "none")
    energies, lengths = batch()
    expected = whole(energies, lengths, LogCompression()).features
    wanted = [mean, largest, encoding != "none"]
    assert part.n_channels == sum(wanted)
    assert_close(part(energies, lengths, LogCompression()).features, expected[:, wanted], "float64")


def test_learnable_encoding_starts_as_sinusoids() -> None:
    energies = torch.rand(1, N_BANDS, 20)
    built = DiffRes(N_BANDS, encoding="learnable").eval()
    fixed = DiffRes(N_BANDS).eval()
    fixed.load_state_dict(built.state_dict(), strict=False)
    channel = [x(energies, compression=LogCompression()).features[:, 2] for x in (built, fixed)]
    assert_close(channel[0], channel[1], "float32")


def test_learnable_encoding_and_the_importance_it_merges_by_learn() -> None:
    built = DiffRes(N_BANDS, encoding="learnable")
    built(torch.rand(1, N_BANDS, 20)).features[:, 2].square().sum().backward()
    assert built.mix_encoding.weight.grad.abs().sum() > 0
    assert built.importance.blocks[0].conv1.weight.grad.abs().sum() > 0


# Importance


def test_importance_is_a_share_and_sums_to_what_is_kept() -> None:
    energies, lengths = batch()
    out = layer()(energies, lengths, LogCompression())
    assert out.lengths.tolist() == [12, 7, 1]
    assert out.importance.shape == (3, 33)
    assert ((out.importance >= 0) & (out.importance <= 1)).all()
    assert_close(out.importance.sum(1), out.lengths.double(), "float64")
    for row, length in zip(out.importance, LENGTHS, strict=True):
        assert (row[length:] == 0).all()
    assert out.importance[0, :30].std() > 1e-3, "nothing was learned to tell frames apart: this test would be idle"


def test_importance_comes_from_the_compressed_spectrogram() -> None:
    energies, built = torch.exp(torch.randn(1, N_BANDS, 40, dtype=torch.float64)), layer()
    log = LogCompression(3, 0.2)
    logits = loss_oracle.network(built, [log(energies)[0]], training=False, last_activation=False)[0][0]
    expected = loss_oracle.rescale(nn.functional.logsigmoid(logits).tolist(), 16)
    assert_close(
        built(energies, compression=log).importance[0], torch.tensor(expected, dtype=torch.float64), "bisection"
    )


@pytest.mark.parametrize(("n_kept", "expected"), [(5, [5, 5, 1]), (20, [20, 17, 1]), (100, [30, 17, 1])])
def test_a_fixed_number_is_kept_of_each_clip_that_has_as_many(n_kept: int, expected: list[int]) -> None:
    energies, lengths = batch()
    built = layer(n_kept=n_kept)
    out = built(energies, lengths, LogCompression())
    assert out.lengths.tolist() == expected == built.kept(lengths).tolist()
    assert [built.kept(n) for n in LENGTHS] == expected
    assert out.features.shape[-1] == max(expected)
    assert_close(out.importance.sum(1), out.lengths.double(), "float64")


def test_82_371_parameters_at_128_bands() -> None:
    assert sum(p.numel() for p in DiffRes(128).parameters()) == 82_371


# Guide loss and activeness


@pytest.mark.parametrize("normalizer", ["mean", "reduction"])
@pytest.mark.parametrize("guide_lambda", [0.0, 0.5])
@pytest.mark.parametrize("as_log_mel", [False, True])
def test_losses_are_their_loops(normalizer: Any, guide_lambda: float, as_log_mel: bool) -> None:
    energies, lengths = batch()
    built = layer(normalizer=normalizer, guide_lambda=guide_lambda)
    out = built(energies.log(), lengths) if as_log_mel else built(energies, lengths, LogCompression())
    guides, actives = [], []
    for i, length in enumerate(LENGTHS):
        _, importance, n_kept = of_clip(out, i)
        energy = loss_oracle.frame_energy(energies[i, :, :length])
        over = n_kept / length if normalizer == "mean" else 0.6
        guides.append(loss_oracle.guide_loss(importance.tolist(), [e < 1e-4 for e in energy], over, guide_lambda))
        actives.append(loss_oracle.activeness(importance.tolist(), [e > 1e-4 for e in energy], over))
    assert guides[2] == 0, "this clip has no empty frame"
    assert sum(actives) > 0
    assert_close(out.guide_loss, torch.tensor(sum(guides), dtype=torch.float64) / 3, "bisection")
    assert_close(out.activeness, torch.tensor(sum(actives), dtype=torch.float64) / 3, "bisection")
    assert guide_lambda > 0 or out.guide_loss > 0


def test_empty_frames_may_be_named() -> None:
    energies, built = torch.rand(2, N_BANDS, 20, dtype=torch.float64) + 1, layer(guide_lambda=0.0)
    empty = torch.rand(2, 20) < 0.5
    out = built(energies, compression=LogCompression(), empty=empty)
    rows = zip(out.importance.tolist(), empty.tolist(), strict=True)
    expected = sum(loss_oracle.guide_loss(s, e, 0.4, 0.0) for s, e in rows) / 2
    assert_close(out.guide_loss, torch.tensor(expected, dtype=torch.float64), "bisection")
    assert built(energies, compression=LogCompression()).guide_loss == 0


@pytest.mark.parametrize("kind", ["silent", "no empty frame", "digital silence on a log"])
def test_clips_of_one_kind_alone_have_losses(kind: str) -> None:
    built = DiffRes(N_BANDS).train()
    if kind == "digital silence on a log":
        out = built(torch.full((2, N_BANDS, 20), -23.0))
    else:
        energies = torch.zeros(2, N_BANDS, 20) if kind == "silent" else torch.rand(2, N_BANDS, 20) + 1
        out = built(energies, compression=LogCompression())
    for value in (out.features, out.importance, out.guide_loss, out.activeness):
        assert torch.isfinite(value).all()
    assert (out.guide_loss > 0) == (kind != "no empty frame")
    assert (out.activeness > 0) == (kind == "no empty frame")


def test_guide_loss_teaches_and_activeness_does_not() -> None:
    energies, lengths = batch()
    built = layer().train()
    out = built(energies, lengths, LogCompression())
    assert not out.activeness.requires_grad
    out.guide_loss.backward()
    learned = [p.grad.abs().max() for p in built.importance.parameters() if p.grad is not None]
    assert max(learned) > 0


def test_importance_learns_to_leave_silence_out() -> None:
    """The answer is built in: half of the frames are silent, and the guide loss alone finds out which."""
    energies = torch.exp(torch.randn(8, N_BANDS, 40))
    energies[:, :, 10:30] = 1e-9
    built = DiffRes(N_BANDS, 0.75, guide_lambda=0.0).train()
    optimizer = torch.optim.Adam(built.parameters(), lr=0.1)
    for _ in range(30):
        out = built(energies, compression=LogCompression())
        optimizer.zero_grad()
        out.guide_loss.backward()
        optimizer.step()
    share_of_silence = out.importance[:, 10:30].sum() / out.importance.sum()
    assert share_of_silence < 0.1


# Compressions that look along time


class Counting(Compression):
    """Notes the frames and lengths it was called with; doubles."""

    def __init__(self, along_time: bool) -> None:
        super().__init__()
        self.along_time = along_time  # type: ignore[misc]
        self.calls: list[tuple[int, list[int] | None]] = []

    def forward(self, energies: Tensor, lengths: Tensor | None = None) -> Tensor:
        self.calls.append((energies.shape[-1], None if lengths is None else lengths.tolist()))
        return 2 * energies


def test_what_looks_along_time_runs_once_over_even_frames_and_is_warped() -> None:
    energies, lengths = batch()
    compression = Counting(along_time=True)
    out = layer()(energies, lengths, compression)
    assert compression.calls == [(33, list(LENGTHS))]
    for i, length in enumerate(LENGTHS):
        features, importance, n_kept = of_clip(out, i)
        mean, largest = oracle.aggregates(2 * energies[i, :, :length], oracle.matrix(importance, n_kept))
        assert_close(features[0], mean, "float64")
        assert_close(features[1], largest, "float64")


def test_what_acts_within_a_frame_follows_the_warp() -> None:
    energies, lengths = batch()
    compression = Counting(along_time=False)
    layer()(energies, lengths, compression)
    assert compression.calls[0][0] == 33  # to look at
    assert [n_frames for n_frames, _ in compression.calls[1:]] == [12, 12]  # mean and maximum, never the encoding


# Bad settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_kept": 0}, "n_kept is 0"),
        ({"rescaling": "none"}, "wanted 'exact' or 'paper'"),
        ({"encoding": "rotary"}, "wanted 'sinusoidal', 'learnable' or 'none'"),
        ({"epsilon": 0.0}, "wanted a positive energy"),
        ({"normalizer": "max"}, "wanted 'mean' or 'reduction'"),
        ({"reduction": 0.0, "normalizer": "reduction"}, "divides by a reduction of 0"),
        ({"dilation": 0}, "dilation 0"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DiffRes(N_BANDS, **settings)


def test_another_number_of_bands_is_refused_by_number() -> None:
    with pytest.raises(UsageError, match=r"has 5 bands, this DiffRes was built for 6"):
        DiffRes(6)(torch.rand(1, 5, 20))


@pytest.mark.parametrize("options", [{}, {"algorithm1": False}, {"max": False}, {"encoding": "learnable"}])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_few_clips_at_a_time_give_what_all_at_once_do(
    options: dict[str, object], compressed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without gradients clips are warped in groups, here of one or two; with them, all at once."""
    generator = torch.Generator().manual_seed(3)
    layer = DiffRes(8, 0.6, **options).eval()  # type: ignore[arg-type]
    log_mel = torch.randn(5, 8, 40, generator=generator) * 3 - 8
    lengths = torch.tensor([40, 17, 1, 33, 40])
    call = (log_mel.exp(), lengths, LogCompression()) if compressed else (log_mel, lengths)
    whole = layer(*call)
    for n_clips in (1, 2):
        monkeypatch.setattr("tenuto.frontend.diffres._GROUP_BYTES", n_clips * 8 * 40 * 4)
        with torch.no_grad():
            groups = layer(*call)
        torch.testing.assert_close(groups.features, whole.features.detach(), rtol=1e-5, atol=2e-5)
        torch.testing.assert_close(groups.importance, whole.importance.detach(), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(groups.guide_loss, whole.guide_loss.detach())
        torch.testing.assert_close(groups.activeness, whole.activeness)


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("as_log_mel", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"algorithm1": False}, {"rescaling": "paper"}, {"n_kept": 5}, {"n_kept": 100}, {"normalizer": "reduction"}],
)
def test_without_gradients_features_and_losses_are_those_of_the_definition(
    options: dict[str, Any], as_log_mel: bool, ragged: bool
) -> None:
    energies, lengths = batch()
    built, log = layer(**options).eval(), LogCompression(beta=1e-30)
    padding = lengths if ragged else None
    with torch.inference_mode():
        out = built(energies.log(), padding) if as_log_mel else built(energies, padding, log)
    for i, length in enumerate(LENGTHS if ragged else (33, 33, 33)):
        n_kept, importance = int(out.lengths[i]), out.importance[i, :length]
        assert n_kept == built.kept(length)
        weights = oracle.matrix(importance, n_kept, options.get("algorithm1", True))
        wanted = [
            x.clamp_min(1e-20 * energies[i].max()).log() for x in oracle.aggregates(energies[i, :, :length], weights)
        ]
        for found, expected in zip(out.features[i, :2, :, :n_kept], wanted, strict=True):
            assert_close(found, expected, "bisection")
        encoding = warp_oracle.mean(oracle.position_encoding(N_BANDS, length), weights)
        assert_close(out.features[i, 2, :, :n_kept], encoding, "float32")
        assert (out.features[i, :, :, n_kept:] == 0).all()
    slow = built(energies.log(), padding) if as_log_mel else built(energies, padding, log)
    assert_close(out.guide_loss, slow.guide_loss.detach(), "bisection")
    assert_close(out.activeness, slow.activeness, "bisection")


@pytest.mark.parametrize("height", [0.0, 300.0, -300.0, -torch.inf])
def test_without_gradients_equal_importance_pools_and_silence_is_empty(height: float) -> None:
    built = uniform(layer(0.75)).eval()
    log_mel = torch.full((2, N_BANDS, 24), height, dtype=torch.float64)
    with torch.no_grad():
        out = built(log_mel)
    assert_close(out.importance, torch.full((2, 24), 0.25, dtype=torch.float64), "float64")
    finished = height if math.isfinite(height) else -1e4 + math.log(1e-20)  # the floor, below the lowest of peaks
    assert_close(out.features[:, :2], torch.full((2, 2, N_BANDS, 6), finished, dtype=torch.float64), "float64")
    assert (out.guide_loss > 0) == (height < 0), "every frame is empty, or none"


@pytest.mark.parametrize("loudness", [1.0, 200.0])
def test_large_clips_without_gradients_are_read_once_and_floored_alike(loudness: float) -> None:
    """2,100 frames of 128 bands are a megabyte: log(0), a silent clip, and values far below the peak."""
    generator = torch.Generator().manual_seed(4)
    log_mel = torch.randn(3, 128, 2100, generator=generator) * 3 * loudness - 8
    log_mel[1, 5, 7], log_mel[2] = -torch.inf, -torch.inf
    layer = DiffRes(128, 0.75).eval()
    with torch.no_grad():
        once = layer(log_mel)
    twice = layer(log_mel)
    assert once.features.isfinite().all()
    torch.testing.assert_close(once.features, twice.features.detach(), rtol=1e-5, atol=2e-3 if loudness > 1 else 2e-5)
    torch.testing.assert_close(once.importance, twice.importance.detach(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("ablation", [{}, {"algorithm1": False}, {"rescaling": "paper"}], ids=str)
def test_another_default_device_changes_nothing(ablation: dict[str, Any], training: bool, learns: bool) -> None:
    built, (spectrogram, lengths) = layer(**ablation).train(training), batch()
    for handed in (None, lengths):
        with torch.set_grad_enabled(learns):
            expected = copy.deepcopy(built)(spectrogram, handed)
            with torch.device("meta"):
                found = copy.deepcopy(built)(spectrogram, handed)
        assert_close(found.features, expected.features, "exact")
        assert_close(found.guide_loss, expected.guide_loss, "exact")
        if learns:
            with torch.device("meta"):
                found.features.sum().backward()
