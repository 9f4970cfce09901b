"""Waveform to features: every front end through the trials, and the order of what happens inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
import torch
from torch import Tensor, nn

from oracles import importance as loss_oracle
from tenuto import AvgPool, ChangeHop, ConvAvgPool, DiffRes, Frontend, LogCompression, MelSpectrogram
from tenuto.frontend.compression import Compression, LayerNorm
from tenuto.frontend.importance import frame_energy
from tenuto.frontend.output import ResolutionOutput
from tenuto.frontend.resolution import FullResolution, Resolution
from tenuto.frontend.spec_augment import SpecAugment
from tolerances import assert_close
from trials import TRIALS, Outcome, Subject, pad, unsettled

N_BANDS, HOP = 8, 16


def bank() -> MelSpectrogram:
    """Small, so that finite differences over its samples are quick."""
    return MelSpectrogram(sample_rate=1600, n_fft=64, win_length=40, hop_length=HOP, n_mels=N_BANDS)


def noise(n_clips: int, n_samples: int) -> Tensor:
    """Loud and quiet in turn, in [-1, 1]."""
    loudness = 0.1 + torch.sin(torch.arange(n_samples) / 60).square()
    return 0.3 * (torch.randn(n_clips, n_samples) * loudness).clamp(-3, 3)


def call(layer: nn.Module, waveforms: Tensor, lengths: Tensor | None) -> Outcome:
    out = layer(waveforms, lengths)
    return Outcome(out.features, out.lengths, out.importance, torch.stack([out.guide_loss, out.activeness]))


FRONTENDS: dict[str, Callable[[], Frontend]] = {
    "log-mel": lambda: Frontend(bank()),
    "DiffRes": lambda: Frontend(bank(), DiffRes(N_BANDS, 0.5)),
    "DiffRes, learnable logarithm": lambda: Frontend(bank(), DiffRes(N_BANDS), LogCompression(learnable=True)),
    "DiffRes, layer norm": lambda: Frontend(bank(), DiffRes(N_BANDS, 0.5, encoding="learnable"), LayerNorm(N_BANDS)),
    "AvgPool": lambda: Frontend(bank(), AvgPool(0.6), LogCompression(10000, 1)),
    "ConvAvgPool": lambda: Frontend(bank(), ConvAvgPool(N_BANDS, 0.6)),
}


@pytest.mark.parametrize("trial", TRIALS)
@pytest.mark.parametrize("name", FRONTENDS)
def test_trials(name: str, trial: Callable[[Subject], None]) -> None:
    trial(Subject(name, FRONTENDS[name], noise, call, step=HOP))


@pytest.mark.parametrize("trial", TRIALS)
def test_trials_with_a_larger_hop(trial: Callable[[Subject], None]) -> None:
    trial(Subject("ChangeHop", lambda: Frontend(bank(), ChangeHop(0.75)), noise, call, step=4 * HOP))


@pytest.mark.parametrize("trial", TRIALS)
def test_trials_of_a_filterbank_alone(trial: Callable[[Subject], None]) -> None:
    def energies(layer: nn.Module, waveforms: Tensor, lengths: Tensor | None) -> Outcome:
        lengths = torch.full((len(waveforms),), waveforms.shape[1]) if lengths is None else lengths
        out = layer(waveforms, lengths)
        n_frames = layer.n_frames(lengths)
        return Outcome(out[..., : int(n_frames.max())], n_frames)

    trial(Subject("MelSpectrogram", bank, noise, energies, step=HOP))


def test_features_are_the_resolution_of_the_energies() -> None:
    frontend = unsettled(FRONTENDS["DiffRes"]())
    assert isinstance(frontend, Frontend)
    waveforms, lengths = pad([noise(1, 900), noise(1, 333)], 40)
    energies, n_frames = frontend.filterbank(waveforms, lengths), frontend.filterbank.n_frames(lengths)
    expected = frontend.resolution(energies, n_frames, LogCompression())
    actual = frontend(waveforms, lengths)
    assert_close(actual.features, expected.features, "exact")
    assert_close(actual.importance, expected.importance, "exact")


@pytest.mark.parametrize("compression", [LogCompression(), LogCompression(1e4, 1), LogCompression(learnable=True)])
@pytest.mark.parametrize("resolution", [None, AvgPool(), ChangeHop(), DiffRes(N_BANDS)])
@pytest.mark.parametrize("lengths", [None, torch.tensor([900, 333])])
def test_without_gradients_energies_may_be_overwritten_and_nothing_changes(
    compression: LogCompression, resolution: Resolution | None, lengths: Tensor | None
) -> None:
    frontend, waveforms = Frontend(bank(), resolution, compression).eval(), noise(2, 900)
    expected, before = frontend(waveforms, lengths).features.detach(), waveforms.clone()
    with torch.no_grad():
        assert_close(frontend(waveforms, lengths).features, expected, "float32")
    assert_close(waveforms, before, "exact")


def test_a_front_end_without_resolution_has_no_second_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    frontend, energies = Frontend(bank()), noise(2, 40 * N_BANDS).view(2, 40, N_BANDS).square().mT
    monkeypatch.setattr(frontend.filterbank, "energies", lambda *_: energies)
    with torch.no_grad():
        assert frontend(noise(2, 900)).features.data_ptr() == energies.data_ptr()


def test_energies_that_a_caller_holds_are_never_overwritten() -> None:
    energies = noise(2, 40 * N_BANDS).view(2, N_BANDS, 40).square()
    before = energies.clone()
    with torch.no_grad():
        FullResolution()(energies, None, LogCompression())
    assert_close(energies, before, "exact")


@pytest.mark.parametrize("listened", ["filterbank", "resolution", "compression"])
def test_what_a_hook_saw_is_never_overwritten(listened: str) -> None:
    frontend, waveforms, seen = Frontend(bank()).eval(), noise(2, 900), []
    if listened == "filterbank":
        frontend.filterbank.register_forward_hook(lambda module, given, energies: seen.append(energies))
    else:
        getattr(frontend, listened).register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    with torch.no_grad():
        frontend(waveforms)
        assert_close(seen[0], bank()(waveforms), "exact")


@pytest.mark.parametrize(("reduction", "hop_length"), [(0.75, 640), (0.5, 320), (0.33, 239), (0.25, 213), (0.0, 160)])
def test_change_hop_is_the_filterbank_at_the_larger_hop(reduction: float, hop_length: int) -> None:
    waveforms = noise(1, 16000)
    frontend = Frontend(MelSpectrogram(), ChangeHop(reduction))
    assert frontend.filterbank.hop_length == hop_length
    expected = LogCompression()(MelSpectrogram(hop_length=hop_length)(waveforms))
    assert_close(frontend(waveforms).features[:, 0], expected, "exact")


@pytest.mark.parametrize("name", [*FRONTENDS, "ChangeHop"])
def test_kept_says_what_comes_out(name: str) -> None:
    frontend = (FRONTENDS | {"ChangeHop": lambda: Frontend(bank(), ChangeHop(0.6))})[name]().eval()
    lengths = torch.tensor([1, 16, 17, 500, 1000])
    waveforms, _ = pad([noise(1, int(n)) for n in lengths], 0)
    out = frontend(waveforms, lengths)
    assert out.lengths.tolist() == frontend.kept(lengths).tolist() == [frontend.kept(n) for n in lengths.tolist()]
    assert out.features.shape == (5, frontend.n_channels, frontend.n_bands, int(out.lengths.max()))
    assert frontend.sample_rate == 1600


# The order inside


class Watching(Resolution):
    """Notes what it is called with."""

    def resolve(self, spectrogram: object, empty: Tensor | None) -> ResolutionOutput:
        raise AssertionError("forward does all")

    def forward(
        self,
        spectrogram: Tensor,
        lengths: Tensor | None = None,
        compression: Compression | None = None,
        empty: Tensor | None = None,
        overwrite: bool = False,
    ) -> ResolutionOutput:
        self.seen = (spectrogram, lengths, compression, empty)
        zero = torch.zeros(())
        return ResolutionOutput(spectrogram[:, None], torch.zeros(1), None, zero, zero)


@pytest.mark.parametrize("training", [True, False])
def test_augmentation_follows_the_mask_of_empty_frames_and_comes_before_the_resolution(training: bool) -> None:
    watching, compression = Watching(), LogCompression()
    frontend = Frontend(bank(), watching, compression, SpecAugment(1.0, 1.0)).train(training)
    waveforms = noise(2, 40 * HOP)
    waveforms[:, 15 * HOP : 30 * HOP] = 0
    lengths = torch.tensor([40, 30]) * HOP
    frontend(waveforms, lengths)
    spectrogram, n_frames, handed, empty = watching.seen
    energies = frontend.filterbank(waveforms, lengths)
    assert n_frames is not None
    assert n_frames.tolist() == [40, 30]
    assert handed is compression
    assert ((spectrogram != energies).any()) == training
    if training:  # of the sound, not of its mask
        assert empty is not None
        assert (empty == (frame_energy(energies) < 1e-4)).all()
        assert empty[:, 18:28].all()
    else:
        assert empty is None
        assert_close(spectrogram, energies, "exact")


def test_guide_loss_is_of_the_sound_and_importance_of_the_masked_sound() -> None:
    frontend = Frontend(bank(), DiffRes(N_BANDS, 0.5, guide_lambda=0.0), augment=SpecAugment(1.0, 1.0)).train()
    waveforms = noise(4, 40 * HOP)
    waveforms[:, 15 * HOP : 30 * HOP] = 0
    out = frontend(waveforms)
    empty = [[e < 1e-4 for e in loss_oracle.frame_energy(clip)] for clip in frontend.filterbank(waveforms).double()]
    rows = zip(out.importance.tolist(), empty, strict=True)
    expected = sum(loss_oracle.guide_loss(s, e, 0.5, 0.0) for s, e in rows) / 4
    assert_close(out.guide_loss, torch.tensor(expected), "float32")


def test_a_learnable_compression_learns_through_the_warp() -> None:
    frontend = FRONTENDS["DiffRes, learnable logarithm"]()
    frontend(noise(2, 600)).features[:, :2].sum().backward()
    for parameter in frontend.compression.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs() > 0


# Real sound


@pytest.mark.parametrize("resolution", [lambda: DiffRes(128, 0.75), lambda: AvgPool(0.75), lambda: ConvAvgPool(128)])
def test_a_real_clip_does_not_depend_on_its_batch_or_padding(
    real_data: Path, resolution: Callable[[], Resolution]
) -> None:
    frontend = unsettled(Frontend(MelSpectrogram(), resolution()))
    paths = sorted((real_data / "fsdd" / "recordings").iterdir())[::400][:4]
    clips = [torch.from_numpy(soundfile.read(path, dtype="float32")[0])[None] for path in paths]
    alone = [frontend(clip) for clip in clips]
    for n_padding in (0, 10, 1000, 16000):
        together = frontend(*pad(clips, n_padding))
        for i, one in enumerate(alone):
            n = int(one.lengths)
            assert int(together.lengths[i]) == n
            assert_close(together.features[i, ..., :n], one.features[0], "padding")
            assert (together.features[i, ..., n:] == 0).all()
