"""Guide loss and activeness that are asked for late are those of the call, and keep nothing large alive."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from tenuto import DiffRes, LogCompression
from tenuto.frontend import diffres
from tolerances import assert_close
from trials import unsettled

N_BANDS = 6
COMPRESSIONS = [None, LogCompression()]  # of a log-mel, of energies


def spectrogram(compression: LogCompression | None) -> Tensor:
    """(3, band, 40): some frames empty."""
    energies = torch.exp(2 * torch.randn(3, N_BANDS, 40) - 2)
    energies[:, :, 3:9] *= 1e-6
    return energies.log() if compression is None else energies


def layer() -> DiffRes:
    built = unsettled(DiffRes(N_BANDS, 0.6)).eval()
    assert isinstance(built, DiffRes)
    return built


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_what_is_asked_for_late_is_what_the_call_saw(compression: LogCompression | None) -> None:
    built, frames, lengths = layer(), spectrogram(compression), torch.tensor([40, 21, 1])
    at_once = built(frames, lengths, compression)
    assert "guide_loss" in vars(at_once)
    assert at_once.guide_loss.requires_grad
    with torch.inference_mode():
        output = built(frames, lengths, compression)
        output.importance.mul_(3)
    frames.fill_(7)
    lengths.fill_(40)
    built.guide_lambda, built.reduction, built.epsilon = 0.9, 0.1, 1.0
    with torch.autocast("cpu"):
        assert_close(output.activeness, at_once.activeness, "float32")
    assert_close(output.guide_loss, at_once.guide_loss.detach(), "float32")
    assert output.guide_loss > 0
    assert output.activeness > 0


def test_it_is_worked_out_once_and_where_nobody_asks_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    told = diffres.guide_loss
    monkeypatch.setattr(diffres, "guide_loss", lambda *arguments: counted.append(1) or told(*arguments))
    with torch.no_grad():
        output = layer()(spectrogram(None))
    assert output.features.isfinite().all()
    assert not counted
    assert output.guide_loss is output.guide_loss
    assert output.activeness is output.activeness
    assert len(counted) == 1


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_no_spectrogram_is_kept_alive(compression: LogCompression | None) -> None:
    frames = spectrogram(compression).mT.contiguous().mT
    kept = weakref.ref(frames)
    with torch.inference_mode():
        output = layer()(frames, compression=compression)
    del frames
    gc.collect()
    assert kept() is None
    assert output.guide_loss.isfinite()


def test_copies_and_pickles_have_the_numbers() -> None:
    with torch.no_grad():
        output = layer()(spectrogram(None))
    assert not vars(output).keys() & {"guide_loss", "activeness"}
    kept = torch.zeros(3)
    assert replace(output, lengths=kept).lengths is kept
    for copied in (copy.copy(output), copy.deepcopy(output), pickle.loads(pickle.dumps(output)), replace(output)):
        assert vars(copied).keys() == {field.name for field in fields(output)}
        assert copied.guide_loss == output.guide_loss
        assert copied.activeness == output.activeness
        assert torch.equal(copied.features, output.features)
    assert "guide_loss=tensor(" in repr(output)
    with pytest.raises(AttributeError, match="has no attribute 'loss'"):
        output.loss  # noqa: B018
