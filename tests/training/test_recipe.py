"""A recipe is read alike from everywhere, says no in one line, and none of its fields is for nothing."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest

from tenuto.data.sets import find_clips
from tenuto.errors import UsageError
from tenuto.models.build import build_classifier, build_frontend
from tenuto.models.settings import FrontendSettings, ModelSettings, ResolutionName
from tenuto.training.fit import fit
from tenuto.training.recipe import (
    DataSettings,
    Recipe,
    TrainingSettings,
    differing_keys,
    load_recipe,
    recipe_names,
    save_recipe,
)
from training.sounds import make_sounds, small_recipe

WRONG = {
    "training.epoch=3": "unknown setting 'training.epoch'; nearest: training.epochs",
    "trainin.epochs=3": "unknown setting 'trainin'; nearest: training",
    "training.epochs=many": "training.epochs='many' is of type str, wanted int",
    "training.epochs=2.5": "training.epochs=2.5 is of type float, wanted int",
    "training.epochs=true": "training.epochs=True is of type bool, wanted int",
    "training.loss=bcee": "unknown value of training.loss: 'bcee'; nearest: bce, ce",
    "training.epochs=0": "epochs=0, wanted: above 0",
    "data.mixup=2": "mixup=2.0, wanted: a probability from 0 to 1",
    "data.valid_share=0": "data.valid_share=0 leaves nothing to choose or to stop by",
    "frontend.fps=500": "fps=500.0, wanted: at most 100, as hop_length gives",
    "epochs=3": "'epochs=3' is not a setting, wanted section.key=value",
    "training.epochs=[": "the value of training.epochs is not YAML",
}


@pytest.mark.parametrize(("override", "message"), WRONG.items())
def test_wrong_settings_are_refused_in_one_line(override: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe(None, [override])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "wanted sections"),
        ("training: 3", "training: got 3, wanted settings (key: value)"),
        ("training: {epochs: 3", "is not YAML"),
        ("trainings: {}", "unknown setting 'trainings'; nearest: training"),
    ],
)
def test_wrong_files_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "my.yaml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load_recipe(tmp_path / "my.yaml")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown recipe 'fsddd'; nearest: fsdd"):
        load_recipe("fsddd")
    with pytest.raises(UsageError, match=r"my\.yaml does not exist"):
        load_recipe(tmp_path / "my.yaml")


def test_a_file_states_its_difference_and_overrides_come_on_top(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("training: {epochs: 7, learning_rate: 1e-4}\ndata:\n")
    recipe = load_recipe(tmp_path / "my.yaml", ["training.epochs=8", "frontend.f_max=null", "data.clip_seconds=2"])
    assert recipe == Recipe(
        data=DataSettings(clip_seconds=2.0), training=TrainingSettings(epochs=8, learning_rate=1e-4)
    )
    assert isinstance(recipe.data.clip_seconds, float)


@pytest.mark.parametrize("name", recipe_names())
def test_what_is_saved_is_read_back(tmp_path: Path, name: str) -> None:
    recipe = load_recipe(name)
    save_recipe(recipe, tmp_path / "saved.yaml")
    assert load_recipe(tmp_path / "saved.yaml") == recipe


def test_differing_keys_are_those_that_bear_on_the_result() -> None:
    other = load_recipe(None, ["training.epochs=3", "training.threads=2", "data.workers=1", "frontend.n_mels=40"])
    assert differing_keys(Recipe(), other) == ["frontend.n_mels", "training.epochs"]
    assert differing_keys(Recipe(), Recipe()) == []


@pytest.mark.parametrize(
    ("setting", "may"),
    [
        ("training.threads=2", True),
        ("training.device=cpu", True),
        ("data.workers=1", True),
        ("data.cache_mb=1", True),
        ("data.cache=decoded", True),
        ("data.cache_format=int16", False),
        ("data.batch_size=8", False),
        ("training.precision=bf16-mixed", False),
        ("training.patience=9", False),
        ("training.choose=last", False),
    ],
)
def test_resuming_may_change_what_bears_on_no_result(setting: str, may: bool) -> None:
    assert differing_keys(Recipe(), load_recipe(None, [setting])) == ([] if may else [setting.split("=")[0]])


def test_the_papers_table_4() -> None:
    found = {}
    for name in ("audioset", "fsd50k", "esc50", "speechcommands", "nsynth"):
        recipe = load_recipe(name)
        t = recipe.training
        schedule = (t.schedule_start, t.schedule_gamma, t.schedule_every)
        found[name] = (t.learning_rate, t.epochs, recipe.data.batch_size, schedule)
    assert found == {
        "audioset": (1e-4, 30, 22, (11, 0.5, 5)),
        "fsd50k": (5e-4, 40, 15, (21, 0.5, 5)),
        "esc50": (2.5e-4, 80, 32, (41, 0.95, 1)),
        "speechcommands": (2.5e-4, 60, 128, (25, 0.9, 1)),
        "nsynth": (1e-4, 30, 48, (11, 0.85, 1)),
    }


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_trains_a_step(tmp_path: Path, name: str) -> None:
    recipe = load_recipe(name)
    seconds = recipe.data.clip_seconds
    overrides = ["training.epochs=1", "training.patience=null", "model.pretrained=false", "training.threads=1"]
    overrides += ["training.device=cpu", f"data.clip_seconds={'null' if seconds is None else min(seconds, 0.5)}"]
    if recipe.model.backbone != "sbcnn":
        overrides.append("model.backbone=test_efficientnet")  # timm's tiny one, the rest as it is
    table = find_clips(make_sounds(tmp_path / "sounds", n_a_class=4))
    found = fit(load_recipe(name, overrides), table, tmp_path / "run")
    assert found["epochs"] == 1
    assert found["test_clips"] == 3


def test_every_field_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: set[tuple[type, str]] = set()
    for kind in (FrontendSettings, ModelSettings, DataSettings, TrainingSettings):
        monkeypatch.setattr(kind, "__getattribute__", _recorder(read))
    table = find_clips(make_sounds(tmp_path / "sounds", n_a_class=4))
    recipe = small_recipe("training.epochs=2", "training.schedule_start=1", "training.patience=1", "data.mixup=0.5")
    fit(recipe, table, tmp_path / "run")
    for resolution in get_args(ResolutionName):
        build_frontend(FrontendSettings(resolution=resolution))
    build_classifier(FrontendSettings(), ModelSettings(backbone="test_efficientnet", head="attention"), ("a", "b"))
    episodes = ("model.backbone=vgg", "model.head=prototypes", "training.loss=ce", "training.epochs=1")
    fit(small_recipe(*episodes), table, tmp_path / "episodes")
    for kind in (FrontendSettings, ModelSettings, DataSettings, TrainingSettings):
        unread = {each.name for each in fields(kind)} - {name for owner, name in read if owner is kind}
        assert not unread, f"{kind.__name__}: {unread}"


def _recorder(read: set[tuple[type, str]]) -> Any:
    """A `__getattribute__` that notes who reads what, but for the settings' own checks and copies."""
    passing = {"__post_init__", "_check_resolution", "_asdict_inner", "asdict", "replace", "__eq__", "__repr__"}

    def __getattribute__(self: object, name: str) -> Any:
        if sys._getframe(1).f_code.co_name not in passing:
            read.add((type(self), name))
        return object.__getattribute__(self, name)

    return __getattribute__
