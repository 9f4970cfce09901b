"""timm models by name, their pretrained weights where they can be had, and one clear line where not."""

from __future__ import annotations

import os
import ssl
import urllib.error
import urllib.request
from difflib import get_close_matches
from typing import Any

from torch import nn

from tenuto.errors import UsageError, WorkError

ANSWER_SECONDS = 10.0  # wait for the host of the weights; timm would retry for minutes


def create(name: str, in_channels: int, pretrained: bool = False) -> nn.Module:
    """timm's model `name` without classifier and pooling; `forward_features` gives its maps or tokens.

    Vision transformers are made to take any size. Weights in the local cache are used without the network.

    Raises:
        UsageError: an unknown name, no pretrained weights of that name, or a model that must pool.
        WorkError: the pretrained weights cannot be had.
    """
    import timm

    config = _config(name, pretrained)
    overlay = _weights(name, config) if pretrained else None
    plain: dict[str, Any] = {"in_chans": in_channels, "num_classes": 0, "global_pool": ""}
    dynamic = {"dynamic_img_size": True, "dynamic_img_pad": True}
    for options in [plain | dynamic, plain] if config.fixed_input_size else [plain]:
        try:
            return timm.create_model(name, pretrained=pretrained, pretrained_cfg_overlay=overlay, **options)
        except TypeError:  # has no dynamic size
            continue
        except AssertionError as error:
            raise UsageError(f"backbone {name!r} does not give maps ({error}): choose another") from error
        except Exception as error:
            if not pretrained:
                raise
            raise WorkError(_without(name, str(error))) from error
    raise UsageError(f"backbone {name!r} has no number of input channels to choose: choose another")


def _config(name: str, pretrained: bool) -> Any:
    """timm's description of `name`; UsageError where there is none, or none with weights where wanted."""
    import timm

    base, _, tag = name.partition(".")
    tagged = timm.list_pretrained(f"{base}.*") if timm.is_model(base) else []
    if not timm.is_model(base) or (tag and name not in tagged):
        names = tagged if tag and tagged else timm.list_models()
        near = get_close_matches(name, names, n=3, cutoff=0.4) or names[:3]
        raise UsageError(
            f"unknown backbone {name!r}: wanted 'sbcnn', 'vgg', 'timbre' or a timm model; nearest: {', '.join(near)}"
        )
    if pretrained and not tagged:
        raise UsageError(f"timm has no pretrained weights of {name!r}: set pretrained=false, or choose another")
    return timm.get_pretrained_cfg(name)


def _weights(name: str, config: Any) -> dict[str, str] | None:
    """Where to take the weights from: a cached file, or None (the network, which answered)."""
    from huggingface_hub import try_to_load_from_cache

    if config.hf_hub_id:
        cached = try_to_load_from_cache(config.hf_hub_id, config.hf_hub_filename or "model.safetensors")
        if isinstance(cached, str):
            return {"file": cached}
        host = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    else:
        host = config.url
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise WorkError(_without(name, "HF_HUB_OFFLINE is set and they are not in the cache"))
    reason = _unreachable(host)
    if reason:
        raise WorkError(_without(name, f"no answer from {host}: {reason}"))
    return None


def _unreachable(url: str) -> str | None:
    """Why `url` does not answer within ANSWER_SECONDS, or None where it does (whatever it answers)."""
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=ANSWER_SECONDS).close()
    except urllib.error.HTTPError:
        return None
    except OSError as error:  # URLError and time-outs
        reason = getattr(error, "reason", error)
        return None if isinstance(reason, ssl.SSLError) else str(reason)
    return None


def _without(name: str, reason: str) -> str:
    reason = " ".join(reason.split())
    return (
        f"pretrained weights of {name!r} cannot be had ({reason}): set pretrained=false to start from random "
        "weights, or fetch them once where there is a network and bring the cache (HF_HOME) along"
    )
