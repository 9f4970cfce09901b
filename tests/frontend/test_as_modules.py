"""Layers in other people's programs: averaged weights, converted batch norms, pruning, hooks, half precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.optim import swa_utils

from tenuto import AvgPool, ConvAvgPool, DiffRes, Frontend, LogCompression, MelSpectrogram, UsageError
from tenuto.frontend.compression import LayerNorm
from tenuto.frontend.masked_norm import MaskedBatchNorm2d
from tolerances import assert_close
from trials import unsettled

N_BANDS = 12


def front_end(resolution: nn.Module | None = None) -> Frontend:
    layer = DiffRes(N_BANDS) if resolution is None else resolution
    return Frontend(MelSpectrogram(n_mels=N_BANDS), layer)  # type: ignore[arg-type]


def clips() -> tuple[Tensor, Tensor]:
    """Clips of very different length, so that the importance network has them end to end."""
    return 0.1 * torch.randn(3, 16000), torch.tensor([16000, 8000, 8000])


@pytest.mark.parametrize("height", [1, 3])
def test_averaged_weights_have_the_statistics_of_all_batches(height: int) -> None:
    norm, batches = MaskedBatchNorm2d(4).double(), [torch.randn(2, 4, height, 9, dtype=torch.float64) for _ in range(3)]
    norm.momentum = None  # as swa_utils.update_bn sets it
    valid = torch.tensor([[1] * 9, [1] * 5 + [0] * 4])
    for batch in batches:
        norm(batch, valid.double())
    means = [torch.cat([a[0].flatten(1), a[1, ..., :5].flatten(1)], 1).mean(1) for a in batches]
    assert_close(norm.running_mean, torch.stack(means).mean(0), "float64")


@pytest.mark.parametrize("resolution", [DiffRes, ConvAvgPool])
def test_update_bn_reads_clips_of_any_length(resolution: type[DiffRes | ConvAvgPool]) -> None:
    layer = resolution(N_BANDS)
    mel = MelSpectrogram(n_mels=N_BANDS)
    waveforms, lengths = clips()

    class OnBatches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, batch: list[Tensor]) -> Tensor:
            features: Tensor = Frontend(mel, self.layer)(*batch).features
            return features

    before = {name: values.clone() for name, values in layer.named_buffers() if "running_mean" in name}
    swa_utils.update_bn([[[waveforms, lengths]], [[waveforms[:1], lengths[:1]]]], OnBatches())  # type: ignore[arg-type]
    assert all((values != before[name]).any() for name, values in layer.named_buffers() if name in before)


def test_converted_norms_serve_whole_clips_and_refuse_padded_ones() -> None:
    layer = unsettled(DiffRes(N_BANDS))
    spectrogram = torch.randn(2, N_BANDS, 40)
    expected = layer.eval()(spectrogram).features
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(layer)
    assert_close(converted.eval()(spectrogram).features, expected, "float32")
    assert_close(converted(spectrogram, torch.tensor([40, 11])).features[0], expected[0], "float32")
    with pytest.raises(UsageError, match="would count padding as sound; wanted clips of one length"):
        converted.train()(spectrogram, torch.tensor([40, 11]))


@pytest.mark.parametrize("resolution", [DiffRes, ConvAvgPool])
def test_pruned_convolutions_are_trained_and_used(resolution: type[DiffRes | ConvAvgPool]) -> None:
    layer = resolution(N_BANDS)
    block = (layer.importance.blocks if isinstance(layer, DiffRes) else layer.blocks)[0]
    prune.l1_unstructured(block.conv1, "weight", 0.5)
    optimizer, spectrogram = torch.optim.SGD(layer.parameters(), 0.01), torch.randn(2, N_BANDS, 40)
    for _ in range(2):
        optimizer.zero_grad()
        layer.train()(spectrogram).features.square().sum().backward()
        optimizer.step()
    pruned = layer.eval()(spectrogram).features.detach()
    prune.remove(block.conv1, "weight")
    assert (block.conv1.weight == 0).float().mean() == 0.5
    assert_close(layer(spectrogram).features, pruned, "log of float32")


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("learns", [False, True])
def test_hooks_hear_every_convolution(training: bool, learns: bool) -> None:
    layer, heard = DiffRes(N_BANDS).train(training), []
    convolutions = [module for module in layer.modules() if isinstance(module, nn.Conv1d)]
    spectrogram = torch.randn(2, N_BANDS, 40)
    with torch.set_grad_enabled(learns):
        silent = layer(spectrogram).features
        for conv in convolutions:
            conv.register_forward_hook(lambda *called: heard.append(called[0]))
        assert_close(layer(spectrogram).features, silent, "float32")
    assert heard == convolutions
    assert len(heard) == 10


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("resolution", [DiffRes, ConvAvgPool])
def test_weights_of_another_dtype_are_refused_in_one_line(
    resolution: type[DiffRes | ConvAvgPool], dtype: torch.dtype
) -> None:
    built = front_end(resolution(N_BANDS)).to(dtype).eval()
    with pytest.raises(UsageError, match=r"for half precision leave the weights as they are and use torch\.autocast"):
        built(torch.randn(1, 8000))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("compression", [lambda: LayerNorm(N_BANDS), lambda: LogCompression(learnable=True)])
def test_what_has_no_convolution_takes_weights_of_any_dtype(compression: type[LayerNorm], dtype: torch.dtype) -> None:
    built = Frontend(MelSpectrogram(n_mels=N_BANDS), AvgPool(0.5), compression()).to(dtype)
    assert built(torch.randn(1, 8000)).features.isfinite().all()


@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize("place", [(0, 15990), (1, 10), (2, 4000)])
def test_what_is_no_number_stays_in_its_clip(place: tuple[int, int], learns: bool) -> None:
    built, (waveforms, lengths) = front_end().eval(), clips()
    broken = waveforms.clone()
    broken[place] = torch.nan
    with torch.set_grad_enabled(learns):
        found, expected = built(broken, lengths).features, built(waveforms, lengths).features
    assert found[place[0]].isnan().any()
    others = [i for i in range(3) if i != place[0]]
    assert_close(found[others], expected[others], "float32")


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one clip and one sample"):
        front_end()(torch.zeros(0, 8000))
