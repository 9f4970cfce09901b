"""Every recipe loads and says what it is for, and every setting that a recipe may give is read by the program."""

from __future__ import annotations

import ast
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from repository.source import ROOT, modules
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


def _settings() -> set[str]:
    """Names of all settings, as section.key."""
    recipe = Recipe()
    sections = {f.name: getattr(recipe, f.name) for f in fields(recipe)}
    assert all(is_dataclass(section) for section in sections.values())
    return {f"{name}.{f.name}" for name, section in sections.items() for f in fields(section)}


def _attributes_read(sources: list[str]) -> set[str]:
    """Names behind a point that the sources read, and names in calls that hand settings on by keyword."""
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)}


def test_every_setting_is_read() -> None:
    declaring = {"tenuto.training.recipe"}
    read = _attributes_read([path.read_text() for name, path in modules().items() if name not in declaring])
    assert {name for name in _settings() if name.partition(".")[2] not in read} == set()


def test_a_setting_that_is_not_read_is_seen() -> None:
    assert "data.mixup" in _settings()
    assert _attributes_read(["settings.mixup = 1\nprint(settings.balanced)"]) == {"balanced"}
