"""The commands that pages and scripts name exist, and the set-up refuses what it must in one line."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

import tenuto
from repository.source import ROOT
from tenuto.cli import VERBS, parse
from tenuto.errors import UsageError

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
CI = ROOT / ".ci" / "run"


def _code(page: str) -> list[str]:
    """Lines of the fenced blocks that are not Python, and the code spans, of a page."""
    fenced = re.findall(r"^```(?!python)\w*\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL))
    return [line for block in fenced for line in block.splitlines()] + spans


def _unknown(lines: list[str]) -> list[str]:
    """Lines that call a verb or a make target there is not."""
    verbs = [line for line in lines if (m := re.match(r"\s*tenuto ([a-z]\w*)", line)) and m[1] not in VERBS]
    targets = [line for line in lines if (m := re.match(r"\s*make ([a-z-]+)", line)) and m[1] not in TARGETS]
    return verbs + targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_the_pages_exist(page: Path) -> None:
    assert _unknown(_code(page.read_text())) == []


def test_a_command_that_does_not_exist_is_seen() -> None:
    page = "Say `tenuto sing x` or\n```sh\ntenuto train FOLDER\nmake cake\n```\n"
    assert _unknown(_code(page)) == ["tenuto sing x", "make cake"]


def _calls(page: str) -> list[list[str]]:
    """Arguments of every `tenuto` call in the fenced blocks of a page."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("tenuto ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_calls_of_the_pages_are_understood(page: Path) -> None:
    for call in _calls(page.read_text()):
        assert parse(call).verb is VERBS[call[0]]  # or parse has refused it


def test_a_call_that_is_not_understood_is_seen() -> None:
    (call,) = _calls("```sh\ntenuto train x --softly  # now\n```")
    with pytest.raises(UsageError, match="--softly"):
        parse(call)


def test_every_verb_has_its_section() -> None:
    page = (ROOT / "docs" / "cli.md").read_text()
    assert re.findall(r"^## (.*)", page, re.MULTILINE) == list(VERBS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def _python(page: Path) -> list[str]:
    """The fenced blocks of Python of a page."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [*filter(_python, PAGES)], ids=lambda page: page.name)
def test_python_of_the_pages_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in _python(page):
        exec(compile(block, page.name, "exec"), {})  # or it raises


def _run(page: Path) -> tuple[str, dict[str, Any]]:
    """The one block of Python of a page, and the names that it leaves."""
    (block,) = _python(page)
    names: dict[str, Any] = {}
    exec(compile(block, page.name, "exec"), names)
    return block, names


def test_the_layer_of_the_front_page_gives_what_is_said_there() -> None:
    block, names = _run(ROOT / "README.md")
    output = names["output"]
    assert output.features.shape == (2, 3, 64, 50)
    assert output.lengths.tolist() == [50, 31]
    assert "output.lengths  # (batch,): 50 and 31 frames, of 200 and 125" in block


def test_the_model_of_its_page_learns_what_is_said_there(capsys: pytest.CaptureFixture[str]) -> None:
    block, names = _run(ROOT / "docs" / "models.md")
    assert names["embeddings"].shape == (8, 10)
    assert "(clip, 10)" in block
    assert next(names["classifier"].backbone.parameters()).grad is not None
    assert "tensor(" in capsys.readouterr().out


def test_ci_calls_what_exists() -> None:
    assert os.access(CI, os.X_OK)
    subprocess.run(["bash", "-n", CI], check=True)
    called = re.findall(r"\bmake ([a-z-]+)", CI.read_text())
    assert called == ["test", "lint", "demo"]
    assert set(called) <= TARGETS


def test_an_old_python_is_refused_in_one_line(tmp_path: Path) -> None:
    call = ["make", "--silent", "test", "PYTHON=false", f"VENV={tmp_path}/venv"]
    ran = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode != 0
    told = [line for line in ran.stderr.splitlines() if not line.startswith("make")]
    assert len(told) == 1
    assert "tenuto needs Python 3.11 or newer" in told[0]
    assert list(tmp_path.iterdir()) == []


def test_the_changes_begin_with_this_version() -> None:
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == tenuto.__version__
