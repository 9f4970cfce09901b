"""The page of the claims: each with its numbers on every data set, its verdicts, and what its failures come from."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tenuto.errors import UsageError
from tenuto.experiments.circumstances import shown_path
from tenuto.experiments.claims import CLAIMS, FEW_PAIRS, LEAST_PAIRS, MARGIN, Claim, looked_into
from tenuto.experiments.claims_evidence import read_stores, setups_of
from tenuto.experiments.claims_fewshot import fewshot_part, fewshot_summary
from tenuto.experiments.claims_findings import (
    Finding,
    as_value,
    finding_row,
    findings_of,
    of_compared,
    summary_rows,
    told,
)
from tenuto.experiments.claims_stores import stores_part
from tenuto.experiments.protocols import protocol
from tenuto.files import write_text
from tenuto.models.settings import unknown_name
from tenuto.report.tables import markdown_table, text_table

NOTES = "NOTES.md"
FEWSHOT_NOTES = "few-clips"
RULE = f"""\
Every number is a difference, first minus second, paired by fold and seed: the same clips to learn from and to test on,
the same seed. "diffres 25" is DiffRes of which 25 frames a second reach the classifier; "padded" means that all clips
are brought to one length, as in the paper, and "own length" that each keeps its own. The interval is a bootstrap of
95 % over folds and seeds, which with few of them is too narrow rather than too wide. The verdict is read off it:

| verdict | "better", "more", "faster" | "as good", "no worse" |
|---|---|---|
| holds | the whole interval is above 0 | the whole interval is above -{100 * MARGIN:g} point |
| fails | the whole interval is below 0 | the whole interval is below 0, part of it below -{100 * MARGIN:g} point |
| undecided | the interval has 0 in it, or there are fewer than {LEAST_PAIRS} pairs | else |
| not run | nobody ran both sides on one fold and seed | the same |

"Few pairs", or * in the summary, stands where there are fewer than {FEW_PAIRS}: then the interval is little more than
the range of the pairs, and three pairs of one sign come by chance in one of four cases. There are many intervals on
this page, and one in twenty leaves out 0 by chance: look at how many point the same way. Nothing is averaged over data
sets. What data, how large a network, which seeds and which machine: [at the end](#what-was-run)."""


def write_claims(root: Path, path: Path) -> dict[str, Any]:
    """Writes the page of all results under `root` to `path`, and returns its verdicts as values.

    Raises:
        UsageError: no results are there, or notes name a claim that there is not
    """
    stores = read_stores(root)
    findings = of_compared([each for setup in setups_of(stores) for each in findings_of(setup)])
    notes = read_notes(root / NOTES)
    parts = ["# Results: the paper's claims, one by one", _opening(root, path), RULE]
    summary = summary_rows(findings, fewshot_summary(stores))
    parts += ["## In short", markdown_table([{**row, "claim": _anchored(str(row["claim"]))} for row in summary])]
    parts += [_claim_part(claim, [each for each in findings if each.claim == claim], notes) for claim in CLAIMS]
    parts += fewshot_part(stores, path, notes.get(FEWSHOT_NOTES))
    parts.append(stores_part(stores, root, path))
    write_text(path, "\n\n".join(parts) + "\n")
    return {
        "text": f"{text_table(summary)}\n\n{path}",
        "findings": [as_value(each) for each in findings],
        "files": [str(path)],
    }


def _anchored(title: str) -> str:
    """A title that leads to its section."""
    return f"[{title}](#{re.sub(r'[^a-z0-9 -]', '', title.lower()).replace(' ', '-')})"


def _claim_part(claim: Claim, findings: Sequence[Finding], notes: dict[str, str]) -> str:
    """The section of one claim."""
    there = [each for each in findings if each.found is not None]
    parts = [f"## {claim.title}", f"{claim.source}."]
    parts.append(markdown_table([finding_row(each) for each in there]) if there else "No numbers.")
    parts += _missing_lines(findings)
    failing = [protocol(each.setup.data).title for each in there if each.word == "fails"]
    parts += looked_into(notes.get(claim.name), failing)
    return "\n\n".join(parts)


def _missing_lines(findings: Sequence[Finding]) -> list[str]:
    """What there are no numbers of: set-ups in which nothing was run, single pairs, curves that were not kept."""
    whole, lines = [], []
    for setup in {id(each.setup): each.setup for each in findings}.values():
        of_setup = [each for each in findings if each.setup is setup]
        missing = [each for each in of_setup if each.found is None]
        if not any(setup.has(each.pair) for each in of_setup):
            whole.append(setup.title)
            continue
        for why, run in (("not run", False), ("run, but without its curves", True)):
            pairs = [f"{told(e.pair.first)} - {told(e.pair.second)}" for e in missing if setup.has(e.pair) == run]
            lines += [f"- {setup.title}, {why}: {'; '.join(pairs)}."] if pairs else []
    lines += [f"- Not run: {', '.join(whole)}."] if whole else []
    return ["\n".join(lines)] if lines else []


def read_notes(path: Path) -> dict[str, str]:
    """Sections "## claim" of a hand-written file -> their text; nothing where there is no such file.

    Raises:
        UsageError: a section is named after no claim
    """
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    known = [*(claim.name for claim in CLAIMS), FEWSHOT_NOTES]
    notes = {}
    for section in ("\n" + text).split("\n## ")[1:]:
        name, _, body = section.partition("\n")
        if name.strip() not in known:
            raise UsageError(f"{path}: " + unknown_name(name.strip(), known, "claim"))
        notes[name.strip()] = body.strip()
    return notes


def _opening(root: Path, path: Path) -> str:
    command = shlex.join(["tenuto", "claims", shown_path(root), "--out", shown_path(path)])
    return (
        "What the paper (arXiv 2210.01719) and the post claim, what was measured here, and whether it holds. "
        f"The page is made of the stored results by `{command}`; "
        f"why a claim fails is written by hand, in `{Path(shown_path(root)) / NOTES}`."
    )
