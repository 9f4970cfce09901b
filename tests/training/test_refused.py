"""What a training refuses before it takes a folder, or without keeping it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenuto.data.clips import ClipTable
from tenuto.data.sets import find_clips
from tenuto.errors import UsageError
from tenuto.training.fit import fit
from training.sounds import make_sounds, small_recipe


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> ClipTable:
    return find_clips(make_sounds(tmp_path_factory.mktemp("data") / "sounds"))


def test_a_gpu_that_is_not_there(table: ClipTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(small_recipe("training.epochs=1"), table, tmp_path / "finished")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(UsageError, match=r"^training\.device=gpu cannot be used \(.*\): use 'cpu', or 'auto'$"):
        fit(small_recipe("training.device=gpu"), table, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert fit(small_recipe("training.epochs=1", "training.device=gpu"), table, tmp_path / "finished")["epochs"] == 1


@pytest.mark.parametrize("seed", [-1, 2**63, 99999999999999999999])
def test_a_seed_that_nothing_can_be_drawn_from(table: ClipTable, tmp_path: Path, seed: int) -> None:
    with pytest.raises(UsageError, match=rf"^seed={seed}, wanted: from 0 to 9223372036854775807$"):
        fit(small_recipe(), table, tmp_path / "run", seed=seed)
    assert not (tmp_path / "run").exists()


def test_the_largest_seed(table: ClipTable, tmp_path: Path) -> None:
    assert fit(small_recipe("training.epochs=1"), table, tmp_path / "run", seed=2**63 - 1)["epochs"] == 1


WRONG = (("model.backbone=sbcn",), ("model.backbone=sbcnn", "frontend.n_mels=4000"))
EPISODES = ("model.head=prototypes", "training.loss=ce", "data.n_way=5")


@pytest.mark.parametrize("wrong", [*WRONG, EPISODES], ids=["backbone", "bands", "episodes"])
def test_a_wrong_setting_does_not_take_the_folder(table: ClipTable, tmp_path: Path, wrong: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        fit(small_recipe("training.epochs=1", *wrong), table, tmp_path / "run")
    fit(small_recipe("training.epochs=1"), table, tmp_path / "run")
