from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save

import tenuto
from tenuto.errors import UsageError, WorkError
from tenuto.frontend.filterbanks import MelSpectrogram
from tenuto.frontend.frontend import Frontend
from tenuto.models.backbones import SBCNN
from tenuto.models.build import build_classifier
from tenuto.models.checkpoint import describe, load
from tenuto.models.checkpoint import save as save_classifier
from tenuto.models.classifier import Classifier
from tenuto.models.heads import MeanPooling
from tenuto.models.settings import FrontendSettings, ModelSettings

FRONTEND = FrontendSettings(resolution="diffres", fps=25, n_mels=16)
LABELS = ["dog", "naïve ☂", "clock"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    save_classifier(build_classifier(FRONTEND, ModelSettings(), LABELS), folder, {"metric": 0.5})
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


@pytest.mark.parametrize("backbone", ["sbcnn", "test_efficientnet"])
@pytest.mark.parametrize("head", ["mean", "attention"])
def test_what_is_saved_comes_back(tmp_path: Path, backbone: str, head: str) -> None:
    model = ModelSettings(backbone=backbone, head=head)  # type: ignore[arg-type]
    classifier = build_classifier(FRONTEND, model, LABELS, multi_label=True)
    classifier(torch.randn(4, 16000))  # running statistics move
    description = save_classifier(classifier, tmp_path / "new" / "folder")
    waveforms = torch.randn(2, 16000)
    expected = classifier.eval()(waveforms).logits
    for path in (description, description.parent, description.with_name("model.safetensors")):
        loaded = tenuto.load(path)
        assert not loaded.training
        assert (loaded.labels, loaded.multi_label) == (tuple(LABELS), True)
        assert (loaded.activation, loaded.settings) == ("sigmoid", (FRONTEND, model))
        torch.testing.assert_close(loaded(waveforms).logits, expected, rtol=0, atol=0)
    assert sorted(os.listdir(description.parent)) == ["model.json", "model.safetensors"]


def test_the_description_is_for_people_too(saved: Path) -> None:
    found = json.loads((saved / "model.json").read_text(encoding="utf-8"))
    assert (found["labels"], found["sample_rate"]) == (LABELS, 16000)
    assert found["tenuto_version"] == tenuto.__version__
    assert describe(saved)["extra"] == {"metric": 0.5}


def test_saving_over_a_model_replaces_it(folder: Path) -> None:
    other = build_classifier(FrontendSettings(n_mels=16), ModelSettings(), ["a", "b"], activation="softmax")
    save_classifier(other, folder)
    assert (load(folder).labels, load(folder).activation) == (("a", "b"), "softmax")


def test_pretrained_weights_are_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = []
    monkeypatch.setattr("tenuto.models.timm_models._weights", lambda *arguments: wanted.append(arguments))
    classifier = build_classifier(FRONTEND, ModelSettings(backbone="test_efficientnet"), LABELS)
    classifier.settings = (FRONTEND, ModelSettings(backbone="test_efficientnet", pretrained=True))
    loaded = load(save_classifier(classifier, tmp_path))
    assert wanted == []
    assert loaded.settings == classifier.settings  # where it came from is remembered


def test_a_classifier_put_together_by_hand_is_refused(tmp_path: Path) -> None:
    by_hand = Classifier(Frontend(MelSpectrogram()), SBCNN(1, 128), MeanPooling(64, 2), ["a", "b"])
    with pytest.raises(UsageError, match="without settings cannot be saved"):
        save_classifier(by_hand, tmp_path)
    assert os.listdir(tmp_path) == []


def edit(folder: Path, **changes: Any) -> None:
    found = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    (folder / "model.json").write_text(json.dumps(found | changes), encoding="utf-8")


def replace_tensors(folder: Path, content: bytes) -> None:
    """As somebody would who knows of the checksum."""
    (folder / "model.safetensors").write_bytes(content)
    edit(folder, tensors_sha256=hashlib.sha256(content).hexdigest())


def edit_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    replace_tensors(folder, save(tensors))


BIAS = "head.linear.bias"
SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no tensors": (lambda f: (f / "model.safetensors").unlink(), "model.safetensors cannot be read"),
    "cut JSON": (lambda f: (f / "model.json").write_text('{"format": "ten'), "not readable as JSON"),
    "deep JSON": (lambda f: (f / "model.json").write_text("[" * 100_000), "not readable as JSON"),
    "binary JSON": (lambda f: (f / "model.json").write_bytes(b"\xff\xfe\x00"), "not readable as JSON"),
    "a list": (lambda f: (f / "model.json").write_text("[1]"), "does not describe a model of tenuto"),
    "foreign": (lambda f: edit(f, format="other"), "does not describe a model of tenuto"),
    "from the future": (lambda f: edit(f, format_version=2), "is of format version 2 .* reads 1"),
    "no labels": (lambda f: edit(f, labels=None), "labels is None, wanted a list"),
    "odd labels": (lambda f: edit(f, labels=["a", 2, "c"]), "wanted at least one name"),
    "unknown key": (lambda f: edit(f, frontend={"n_mel": 3}), "unknown setting 'n_mel'; nearest: n_mels"),
    "wrong type": (lambda f: edit(f, model={"n_heads": "4"}), "n_heads='4' is of type str"),
    "other rate": (lambda f: edit(f, sample_rate=8000), "sample_rate is 8000 Hz beside a front end of 16000"),
    "a model elsewhere": (lambda f: edit(f, model={"backbone": "hf-hub:a/b"}), "unknown backbone"),
    "changed tensors": (lambda f: (f / "model.safetensors").write_bytes(b"x"), "is not the file that"),
    "no safetensors": (lambda f: replace_tensors(f, b"\x08" * 64), "is not a safetensors file"),
    "missing tensor": (lambda f: edit_tensors(f, lambda t: t.pop(BIAS)), f"lacks tensor '{BIAS}'"),
    "more tensors": (
        lambda f: edit_tensors(f, lambda t: t.update(more=torch.ones(1))),
        "has a surplus tensor 'more'",
    ),
    "wrong shape": (
        lambda f: edit_tensors(f, lambda t: t.update({BIAS: torch.ones(4)})),
        rf"tensor '{BIAS}' is \(4,\), model.json wants \(3,\)",
    ),
}


@pytest.mark.parametrize("what", SPOILED)
def test_spoiled_files_are_refused_in_one_line(folder: Path, what: str) -> None:
    spoil, message = SPOILED[what]
    spoil(folder)
    with pytest.raises(WorkError, match=message) as error:
        load(folder)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere", "does not exist: give a run folder"), ("", "holds no model.json: wanted the folder")],
)
def test_nothing_there_is_a_wrong_call(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(tmp_path / name)


class Malicious:
    """Unpickling this writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("name", ["model.ckpt", "model.pt", "model.safetensors", "model.json", "model.dat"])
def test_a_pickle_is_never_opened(folder: Path, tmp_path: Path, name: str) -> None:
    harmed = tmp_path / "harmed"
    content = pickle.dumps(Malicious(harmed))
    if name == "model.safetensors":
        replace_tensors(folder, content)
    else:
        (folder / name).write_bytes(content)
    with pytest.raises((UsageError, WorkError)) as error:
        load(folder / name)
    assert not harmed.exists()
    assert "\n" not in str(error.value)
    pickle.loads(content)
    assert harmed.exists()  # it would have


def test_a_pickle_beside_a_model_is_left_alone(folder: Path, tmp_path: Path) -> None:
    harmed = tmp_path / "harmed"
    for name in ("last.ckpt", "model.pt", "pytorch_model.bin"):
        (folder / name).write_bytes(pickle.dumps(Malicious(harmed)))
    assert load(folder).labels == tuple(LABELS)
    assert not harmed.exists()


@pytest.mark.parametrize("device", ["cuda:99", "abacus"])
def test_a_device_that_is_not_there(saved: Path, device: str) -> None:
    with pytest.raises(UsageError, match=f"device '{device}' cannot be used") as error:
        load(saved, device=device)
    assert "\n" not in str(error.value)


def test_loading_needs_no_training_stack(saved: Path) -> None:
    code = (
        "import sys; import tenuto; tenuto.load(sys.argv[1])\n"
        "print([m for m in ('lightning', 'timm', 'torchmetrics', 'jsonargparse') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, saved], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
