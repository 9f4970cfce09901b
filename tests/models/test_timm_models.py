from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from tenuto.errors import UsageError, WorkError
from tenuto.models.backbones import TimmBackbone
from tenuto.models.timm_models import create


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("efficentnet_b2", "efficientnet_b2"),
        ("test_efficientnet.r161_in1k", "test_efficientnet.r160_in1k"),
        ("hf-hub:someone/model", "nearest"),
        ("local-dir:/tmp", "nearest"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UsageError, match=f"unknown backbone '{name}'.*nearest: .*{nearest[:9]}|{nearest}") as e:
        create(name, 1)
    assert nearest in str(e.value)
    assert "\n" not in str(e.value)


def test_names_without_weights_are_refused_where_weights_are_wanted() -> None:
    with pytest.raises(UsageError, match="no pretrained weights of 'ghostnet_050': set pretrained=false"):
        create("ghostnet_050", 1, pretrained=True)
    assert create("ghostnet_050", 1) is not None


def offline(*_args: object, **_options: object) -> None:
    raise urllib.error.URLError("Name or service not known")


def test_no_network_is_one_line_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: pytest.fail("tried, which takes minutes to give up"))
    with pytest.raises(WorkError) as error:
        create("test_efficientnet", 1, pretrained=True)
    message = str(error.value)
    for part in ("'test_efficientnet'", "no answer from", "Name or service not known", "pretrained=false"):
        assert part in message
    assert "\n" not in message


def test_offline_mode_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    with pytest.raises(WorkError, match="HF_HUB_OFFLINE is set"):
        create("test_efficientnet", 1, pretrained=True)


def test_cached_weights_need_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weights = timm.create_model("test_efficientnet").state_dict()
    save_file(weights, tmp_path / "model.safetensors")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: str(tmp_path / "model.safetensors"))
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    backbone = TimmBackbone("test_efficientnet", 3, pretrained=True)
    torch.testing.assert_close(backbone.model.state_dict()["conv_stem.weight"], weights["conv_stem.weight"])
    one = TimmBackbone("test_efficientnet", 1, pretrained=True)  # timm sums the colours
    summed = weights["conv_stem.weight"].sum(1, keepdim=True)
    torch.testing.assert_close(one.model.state_dict()["conv_stem.weight"], summed)


def test_a_broken_cached_file_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"nothing of the kind")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: str(tmp_path / "model.safetensors"))
    with pytest.raises(WorkError, match="cannot be had") as error:
        create("test_efficientnet", 3, pretrained=True)
    assert "\n" not in str(error.value)
