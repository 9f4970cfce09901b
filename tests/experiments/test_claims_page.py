"""The page of the claims: what it says of hand-made results, and that the repository's own is up to date."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from experiments.records import record
from repository.source import ROOT
from tenuto.errors import UsageError
from tenuto.experiments.claims import CLAIMS, looked_into
from tenuto.experiments.claims_page import read_notes, write_claims
from tenuto.experiments.fewshot_settings import FewshotCell, FewshotSettings
from tenuto.experiments.grid import Cell
from tenuto.experiments.store import Store

LOGMEL = Cell("fsdd", "logmel", 100.0, "fixed", "a", 0)
DIFFRES = replace(LOGMEL, method="diffres", fps=25.0)
AVGPOOL = replace(DIFFRES, method="avgpool")


def _fill(folder: Path, cell: Cell, scores: list[float]) -> None:
    for fold, score in zip("abcdefgh", scores, strict=False):
        of_fold = replace(cell, fold=fold)
        Store(folder).write(of_fold.name, record(of_fold, score))


def _fill_fewshot(folder: Path, scores: dict[str, list[float]]) -> None:
    for compression, of_folds in scores.items():
        for fold, score in zip("abcdefgh", of_folds, strict=False):
            cell = FewshotCell("esc10", "vgg", compression, 5, fold, 0)
            made = record(LOGMEL, score) | {"cell": asdict(cell), "recipe": asdict(FewshotSettings())}
            Store(folder).write(cell.name, made)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """DiffRes 10 points above the log-mel on six folds and 10 below average pooling; a few-data folder."""
    root = tmp_path / "results"
    steady = [0.4, 0.5, 0.6, 0.45, 0.55, 0.65]
    for cell, gain in ((LOGMEL, 0.0), (DIFFRES, 0.1), (AVGPOOL, 0.2)):
        _fill(root / "fsdd", cell, [score + gain for score in steady])
    _fill_fewshot(root / "fewshot" / "esc10", {"log": [0.5, 0.6, 0.7], "log-learn": [0.4, 0.5, 0.6]})
    return root


def _section(page: str, title: str) -> str:
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_claim_has_its_section_and_its_numbers(results: Path) -> None:
    found = write_claims(results, results / "claims.md")
    page = (results / "claims.md").read_text()
    assert [title for title in re.findall(r"^## (.*)", page, re.MULTILINE) if title != "In short"] == [
        *(claim.title for claim in CLAIMS),
        "Few clips: a learned logarithm does not improve the results",
        "What was run",
    ]
    section = _section(page, "50 and 25 frames a second can be as good as 100")
    row = next(line for line in section.splitlines() if line.startswith("| FSDD"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    numbers = ["62.5", "52.5", "+10.0", "+10.0 to +10.0", "6 of 6", "6 x 1", "holds"]
    assert cells == ["FSDD", "diffres 25, padded", "logmel 100, padded", *numbers]
    assert "not run: diffres 50, padded - logmel 100, padded." in section
    assert found["files"] == [str(results / "claims.md")]


def test_the_values_are_those_of_the_page(results: Path) -> None:
    found = write_claims(results, results / "claims.md")["findings"]
    there = {each["claim"]: each["verdict"] for each in found if each["pairs"]}
    assert there == {"50-and-25-as-100": "holds", "avgpool": "fails"}
    assert next(each["difference"] for each in found if each["claim"] == "avgpool" and each["pairs"]) == (
        pytest.approx(-0.1)
    )


def test_a_claim_that_nobody_ran_says_so(results: Path) -> None:
    write_claims(results, results / "claims.md")
    assert "No numbers.\n\n- Not run: FSDD." in _section((results / "claims.md").read_text(), "The maximum matters")


def test_the_summary_leads_to_every_section(results: Path) -> None:
    text = write_claims(results, results / "claims.md")["text"]
    page = (results / "claims.md").read_text()
    links = re.findall(r"^\| \[.*\]\(#(.*?)\)", _section(page, "In short"), re.MULTILINE)
    heads = re.findall(r"^## (.*)", page, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
    assert len(links) == len(CLAIMS) + 1
    assert set(links) <= anchors
    assert "Better than average pooling" in text
    assert "1 fails" in text


def test_a_failure_without_a_note_says_that_nobody_looked(results: Path) -> None:
    write_claims(results, results / "claims.md")
    section = _section((results / "claims.md").read_text(), "Better than average pooling")
    assert "Why it fails has not been looked into yet on: FSDD." in section
    (results / "NOTES.md").write_text("Notes.\n\n## avgpool\n\nOn FSDD\nit *overfits*.\n\n## max\n\nNothing.\n")
    write_claims(results, results / "claims.md")
    section = _section((results / "claims.md").read_text(), "Better than average pooling")
    assert "On FSDD\nit *overfits*." in section
    assert "looked into" not in section


def test_a_note_on_one_data_set_does_not_stand_for_another() -> None:
    assert looked_into("On FSDD: why.", ["FSDD", "ESC-10", "ESC-10"]) == [
        "On FSDD: why.",
        "Why it fails has not been looked into yet on: ESC-10.",
    ]
    assert looked_into(None, []) == []


def test_notes_on_no_claim_are_refused(tmp_path: Path) -> None:
    (tmp_path / "NOTES.md").write_text("## avgpol\n\nLost otherwise.\n")
    with pytest.raises(UsageError, match="avgpool"):
        read_notes(tmp_path / "NOTES.md")
    assert read_notes(tmp_path / "MISSING.md") == {}


def test_the_posts_claim_is_judged_from_its_own_side(results: Path) -> None:
    """log-learn 10 points below log-EPS: that learning does not help holds, here of few pairs."""
    write_claims(results, results / "claims.md")
    page = (results / "claims.md").read_text()
    section = _section(page, "Few clips: a learned logarithm does not improve the results")
    assert "-10.0* (-10.0 to -10.0)" in section
    assert "1 holds*" in section
    assert "[fewshot.md](fewshot/esc10/fewshot.md)" in section


def test_where_the_posts_claim_fails_a_note_is_due(results: Path) -> None:
    _fill_fewshot(results / "fewshot" / "esc10", {"log-learn": [0.6, 0.7, 0.8]})
    write_claims(results, results / "claims.md")
    title = "Few clips: a learned logarithm does not improve the results"
    section = _section((results / "claims.md").read_text(), title)
    assert "1 fails*" in section
    assert "Why it fails has not been looked into yet on: ESC-10." in section
    (results / "NOTES.md").write_text("## few-clips\n\nESC-10: luck.\n")
    write_claims(results, results / "claims.md")
    assert _section((results / "claims.md").read_text(), title).strip().endswith("ESC-10: luck.")


def test_what_was_run_is_told(results: Path, tmp_path: Path) -> None:
    (results / "fsdd" / "table1.md").write_text("# Table 1\n")
    write_claims(results, tmp_path / "docs" / "results.md")
    part = _section((tmp_path / "docs" / "results.md").read_text(), "What was run")
    assert "[fsdd](../results/fsdd)" in part
    assert "[table1.md](../results/fsdd/table1.md)" in part
    row = next(line for line in part.splitlines() if line.startswith("| [fsdd]"))
    assert [cell.strip() for cell in row.strip("|").split("|")][1:] == [
        "FSDD", "18", "0", "a, b, c, d, e, f", "0", "9 min",
    ]  # fmt: skip
    assert "Machine: processor abacus, cores 2." in part
    assert "```text\ntenuto reproduce table1 --data fsdd=.../fsdd\n```" in part


@pytest.mark.parametrize(
    ("root", "out", "command"),
    [
        ("results", "claims.md", "tenuto claims results --out claims.md"),
        ("results", "docs/results.md", "tenuto claims results --out docs/results.md"),
        ("../{}/results", "a b.md", "tenuto claims ../{}/results --out 'a b.md'"),
        (".", "claims.md", "tenuto claims . --out claims.md"),
    ],
)
def test_the_page_names_the_command_as_it_was_given(
    root: str, out: str, command: str, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = results.parent
    monkeypatch.chdir(results if root == "." else folder)
    write_claims(Path(root.format(folder.name)), Path(out))
    assert f"by `{command.format(folder.name)}`;" in Path(out).read_text()


def test_a_folder_of_this_machine_is_not_on_the_page(results: Path) -> None:
    write_claims(results, results / "claims.md")
    page = (results / "claims.md").read_text()
    assert "by `tenuto claims .../results --out .../claims.md`; why a claim fails" in page
    assert "by hand, in `.../results/NOTES.md`." in page


def test_the_verb(results: Path) -> None:
    call = [sys.executable, "-m", "tenuto.cli", "claims", str(results), "--json"]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    value: dict[str, Any] = json.loads(done.stdout)
    assert value["files"] == [str(results / "claims.md")]
    assert (results / "claims.md").is_file()
    nowhere = subprocess.run([*call[:4], str(results / "nowhere")], capture_output=True, text=True, check=False)
    assert nowhere.returncode == 2
    assert nowhere.stderr.startswith("tenuto: ")
    assert nowhere.stderr.count("\n") == 1


def _words(page: str) -> list[str]:
    """The words of a page, whatever the width of its tables."""
    return re.sub(r"-{2,}:?", "-", page).split()


def _close(one: str, other: str) -> bool:
    """Equal, or numbers that the last digit of a redrawn interval may tell apart."""
    try:
        return one == other or abs(float(one) - float(other)) < 0.25
    except ValueError:
        return False


def test_the_page_of_the_repository_is_what_its_results_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    committed = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    write_claims(Path("results"), tmp_path / "results.md")
    rendered = (tmp_path / "results.md").read_text(encoding="utf-8")
    pages = [_words(_without_places(page)) for page in (committed, rendered)]
    differing = [pair for pair in zip(*pages, strict=False) if not _close(*pair)]
    way_out = "tenuto claims results --out docs/results.md"
    assert not differing, f"docs/results.md is not what results/ says ({differing[:3]}): {way_out}"
    assert len(pages[0]) == len(pages[1]), f"docs/results.md has more or less than results/ says: {way_out}"


def _without_places(page: str) -> str:
    """A page without what depends on where it lies."""
    return re.sub(r"`tenuto claims results --out [^`]*`|\]\([^)#][^)]*\)", "", page)


def test_a_page_that_says_something_else_is_seen() -> None:
    assert not _close("holds", "fails")
    assert not _close("+1.0", "-1.0")
    assert _close("+1.04", "+1.05")
    assert _without_places("[a](../results/a) [b](#c)") == "[a [b](#c)"
