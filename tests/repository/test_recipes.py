"""Every recipe loads, by path and by name, says what it is for, and states a difference."""

from __future__ import annotations

from pathlib import Path

import pytest

from repository.source import ROOT
from tenuto.training.recipe import Recipe, load_recipe

RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))


def test_there_are_recipes() -> None:
    assert len(RECIPES) > 3


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_load_and_say_what_they_are_for(path: Path) -> None:
    assert path.read_text().startswith("# ")
    assert load_recipe(path) == load_recipe(path.stem)
    if path.stem != "default":
        assert load_recipe(path) != Recipe()
