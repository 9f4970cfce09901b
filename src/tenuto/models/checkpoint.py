"""A classifier in two files, model.safetensors and model.json, neither of which can execute anything."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from tenuto import __version__
from tenuto.errors import UsageError, WorkError
from tenuto.files import atomic_write, read_json
from tenuto.models.build import build_classifier
from tenuto.models.classifier import Classifier
from tenuto.models.settings import FrontendSettings, ModelSettings, settings_from_dict

FORMAT, FORMAT_VERSION = "tenuto-classifier", 1
DESCRIPTION, TENSORS = "model.json", "model.safetensors"
EXPORTS = {".onnx", ".pt2"}
PICKLES = {".ckpt", ".pt", ".pth", ".pkl", ".pickle", ".bin", ".joblib", ".npy", ".npz"}
KEYS = {
    "frontend": dict,
    "model": dict,
    "labels": list,
    "multi_label": bool,
    "activation": str,
    "sample_rate": int,
    "tensors_sha256": str,
    "extra": dict,
}


def save(classifier: Classifier, folder: str | os.PathLike[str], extra: dict[str, Any] | None = None) -> Path:
    """Writes model.safetensors and model.json into `folder` and returns the latter's path.

    Both are written beside their places first, then moved in; model.json names the SHA-256 of the other. An
    interruption leaves the old pair, the new one, or (for an instant) a pair that `load` refuses.

    Args:
        extra: anything JSON can hold, for `describe` to give back.

    Raises:
        UsageError: a classifier put together by hand, which has no settings to be rebuilt from.
    """
    if classifier.settings is None:
        raise UsageError(
            "a classifier without settings cannot be saved for `load`: build it with build_classifier, "
            "or save its state_dict() yourself"
        )
    tensors = tensors_to_bytes({n: t.detach().cpu().contiguous() for n, t in _unshared(classifier).items()})
    target = Path(folder) / DESCRIPTION
    text = json.dumps(_description(classifier, tensors, extra or {}), indent=2, ensure_ascii=False) + "\n"
    with atomic_write(target) as description, atomic_write(target.with_name(TENSORS)) as beside:
        beside.write_bytes(tensors)
        description.write_text(text, encoding="utf-8")
    return target


def load(path: str | os.PathLike[str], device: str | torch.device = "cpu") -> Classifier:
    """The classifier saved in `path`, in evaluation mode, on `device`. Executes nothing from the files.

    Args:
        path: a run folder, a model's folder, or its model.json.

    Raises:
        UsageError: nothing there, a pickle (.ckpt, .pt, ...), an exported file, or no such device.
        WorkError: files that are broken, unknown, or do not belong together.
    """
    source = _source(path)
    found = describe(source)
    try:
        frontend = settings_from_dict(FrontendSettings, found["frontend"])
        model = settings_from_dict(ModelSettings, found["model"])
        classifier = build_classifier(
            frontend,
            replace(model, pretrained=False),
            found["labels"],
            found["multi_label"],
            found["activation"],
        )
    except UsageError as error:
        raise WorkError(f"{source}: {error}") from error
    if found["sample_rate"] != classifier.sample_rate:
        rates = f"sample_rate is {found['sample_rate']} Hz beside a front end of {classifier.sample_rate} Hz"
        raise WorkError(f"{source}: {rates}")
    tensors = _tensors(source.with_name(TENSORS), found["tensors_sha256"])
    _check_fit(source, tensors, classifier.state_dict())
    classifier.load_state_dict(tensors)
    classifier.settings = (frontend, model)
    classifier.clip_seconds = found.get("clip_seconds")
    return _to(classifier.eval(), device)


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What model.json says (settings, labels, extra, ...), checked; takes and raises what `load` does."""
    source = _source(path)
    try:
        found = read_json(source)
    except (ValueError, RecursionError) as error:
        raise WorkError(f"{source} is not readable as JSON ({error}): save the model again") from error
    except OSError as error:
        raise WorkError(f"{source} cannot be read: {error.strerror}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise WorkError(f"{source} does not describe a model of tenuto: wanted a model.json that tenuto wrote")
    if found.get("format_version") != FORMAT_VERSION:
        raise WorkError(
            f"{source} is of format version {found.get('format_version')!r} (written by tenuto "
            f"{found.get('tenuto_version')}), this tenuto {__version__} reads {FORMAT_VERSION}"
        )
    for key, kind in KEYS.items():
        if not isinstance(found.get(key), kind):
            raise WorkError(f"{source}: {key} is {found.get(key)!r}, wanted a {kind.__name__}: save the model again")
    return found


def _description(classifier: Classifier, tensors: bytes, extra: dict[str, Any]) -> dict[str, Any]:
    assert classifier.settings is not None
    frontend, model = classifier.settings
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "tenuto_version": __version__,
        "frontend": asdict(frontend),
        "model": asdict(model),
        "labels": list(classifier.labels),
        "multi_label": classifier.multi_label,
        "activation": classifier.activation,
        "sample_rate": classifier.sample_rate,
        "clip_seconds": classifier.clip_seconds,
        "tensors_sha256": hashlib.sha256(tensors).hexdigest(),
        "extra": extra,
    }


def _unshared(classifier: Classifier) -> dict[str, Tensor]:
    """The state by name, each tensor with memory of its own, as safetensors wants it."""
    return {name: tensor.clone() for name, tensor in classifier.state_dict().items()}


def _source(path: str | os.PathLike[str]) -> Path:
    """The model.json that `path` means; UsageError where there is none."""
    given = Path(path)
    if given.suffix.lower() in PICKLES:
        raise UsageError(
            f"{given} is a pickle or the like, which can run code when opened and is not: "
            f"give the folder that holds {DESCRIPTION} and {TENSORS}"
        )
    if given.suffix.lower() in EXPORTS and not given.is_dir():
        raise UsageError(
            f"{given} is an exported file: give the run folder it came from, or its {DESCRIPTION} "
            "(.onnx is for `tenuto predict`, .pt2 for torch.export.load)"
        )
    if not given.exists():
        raise UsageError(f"{given} does not exist: give a run folder, or a folder with {DESCRIPTION}")
    if given.is_dir():
        given = given / DESCRIPTION
        if not given.exists():
            raise UsageError(f"{given.parent} holds no {DESCRIPTION}: wanted the folder of a finished run")
    return given.with_name(DESCRIPTION) if given.name == TENSORS else given


def _tensors(path: Path, sha256: str) -> dict[str, Tensor]:
    """The tensors of `path`, which must be what model.json says."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WorkError(f"{path} cannot be read ({error.strerror}): copy it beside {DESCRIPTION}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise WorkError(f"{path} is not the file that {DESCRIPTION} was written with: copy both again")
    try:
        return read_tensors(content)
    except SafetensorError as error:
        raise WorkError(f"{path} is not a safetensors file ({error}): save the model again") from error


def _check_fit(source: Path, tensors: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """WorkError unless names and shapes of `tensors` are those of `wanted`."""
    for name in sorted(wanted.keys() ^ tensors.keys()):
        what = "lacks" if name in wanted else "has a surplus"
        raise WorkError(f"{source.with_name(TENSORS)} {what} tensor {name!r}: it is of another model or version")
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape:
            raise WorkError(
                f"{source.with_name(TENSORS)}: tensor {name!r} is {tuple(tensor.shape)}, "
                f"{DESCRIPTION} wants {tuple(wanted[name].shape)}"
            )


def _to(classifier: Classifier, device: str | torch.device) -> Classifier:
    try:
        if torch.device(device).type == "meta":
            raise RuntimeError("it holds no numbers")
        return classifier.to(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"device {str(device)!r} cannot be used ({reason}): use 'cpu', or 'cuda' with a GPU"
        ) from error
