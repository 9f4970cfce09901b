from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, dataclass, field

import pytest

from tenuto.errors import UsageError
from tenuto.models.settings import FrontendSettings, ModelSettings, settings_from_dict


def test_defaults_survive_the_way_through_a_dict() -> None:
    for settings in (FrontendSettings(resolution="diffres", fps=25), ModelSettings(head="attention")):
        assert settings_from_dict(type(settings), asdict(settings)) == settings


def test_reduction_is_the_share_of_frames_given_up() -> None:
    assert FrontendSettings().reduction == 0.0
    assert FrontendSettings(resolution="diffres", fps=25).reduction == pytest.approx(0.75)
    assert FrontendSettings(resolution="avgpool", fps=100).reduction == pytest.approx(0.0)
    assert FrontendSettings(resolution="changehop", fps=50, sample_rate=8000, hop_length=80).reduction == 0.5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_mel": 64}, "unknown setting 'n_mel'; nearest: n_mels"),
        ({"zzzz": 64}, "unknown setting 'zzzz'; valid: algorithm1, avgpool_of"),
        ({"n_mels": "64"}, "n_mels='64' is of type str, wanted int"),
        ({"n_mels": True}, "n_mels=True is of type bool, wanted int"),
        ({"mean": 1}, "mean=1 is of type int, wanted bool"),
        ({"resolution": "difres"}, "unknown value of resolution: 'difres'; nearest: diffres"),
        ({"resolution": None}, "unknown value of resolution"),
        ({"resolution": "diffres", "fps": 200}, "fps=200.0, wanted: at most 100"),
        ({"fps": 25}, "fps=25 with resolution='none'"),
        ({"resolution": "diffres", "fps": 0}, "fps=0.0, wanted: above 0"),
        ({"n_kept": 10}, "n_kept=10 is for resolution='diffres'"),
        ({"win_length": 600}, "win_length=600, wanted: at most n_fft"),
        ({"f_max": 9000}, "f_max=9000.0, wanted: at most half the sample rate"),
        ({"f_min": 8000}, "f_min=8000.0, wanted: from 0 to below 8000"),
        ({"resolution": "diffres", "mean": False, "max": False}, "keep at least one"),
    ],
)
def test_wrong_frontend_settings_are_refused_in_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as error:
        settings_from_dict(FrontendSettings, values)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"n_heads": 0}, "n_heads=0"),
        ({"backbone": ""}, "backbone=''"),
        ({"pretrained": True}, "no pretrained weights"),
        ({"backbone": "vgg", "pretrained": True}, "'vgg' has no pretrained weights"),
        ({"n_filters": 0}, "n_filters=0"),
        ({"n_embedding": 0}, "n_embedding=0"),
        ({"n_frames": 0}, "n_frames=0"),
        ({"backbone": "timbre"}, "timbre's maxima are the scores already, so head=none"),
        ({"backbone": "vgg", "head": "none"}, "head=none belongs to it and to no other"),
        ({"backbone": "resnet18", "n_frames": 128}, "n_frames=128 is for sbcnn, vgg, timbre: leave it out"),
    ],
)
def test_wrong_model_settings_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        settings_from_dict(ModelSettings, values)


@dataclass(frozen=True)
class Outer:
    name: str
    model: ModelSettings = field(default_factory=ModelSettings)


def test_settings_nest_and_messages_say_where() -> None:
    assert settings_from_dict(Outer, {"name": "a", "model": {"n_heads": 2}}).model.n_heads == 2
    with pytest.raises(UsageError, match=r"unknown setting 'model\.drop_out'; nearest: model\.dropout"):
        settings_from_dict(Outer, {"name": "a", "model": {"drop_out": 0.1}})
    with pytest.raises(UsageError, match="name is missing and has no default"):
        settings_from_dict(Outer, {})
    with pytest.raises(UsageError, match=r"model: got 3, wanted settings"):
        settings_from_dict(Outer, {"name": "a", "model": 3})


def test_settings_do_not_load_torch() -> None:
    code = "import sys, tenuto.models.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
