"""The page of the claims: each with its numbers on every data set, its verdicts, and what its failures come from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from statistics import fmean
from typing import Any

from tenuto.errors import UsageError
from tenuto.experiments.claims import CLAIMS, FEW_PAIRS, LEAST_PAIRS, MARGIN, Claim, Pair, Word, counted, judge
from tenuto.experiments.claims_evidence import Setup, read_stores, setups_of
from tenuto.experiments.claims_fewshot import TITLE, fewshot_part, fewshot_summary
from tenuto.experiments.claims_stores import stores_part
from tenuto.experiments.grid import Column
from tenuto.experiments.layout import NOT_RUN, Row
from tenuto.experiments.statistics import Difference
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


@dataclass(frozen=True)
class Finding:
    """A pair of columns in one set-up, its difference (None where there is none) and the verdict."""

    claim: Claim
    setup: Setup
    pair: Pair
    found: Difference | None
    word: Word


def write_claims(root: Path, path: Path) -> dict[str, Any]:
    """Writes the page of all results under `root` to `path`, and returns its verdicts as values.

    Raises:
        UsageError: no results are there, or notes name a claim that there is not
    """
    stores = read_stores(root)
    findings = _of_compared([each for setup in setups_of(stores) for each in findings_of(setup)])
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
        "findings": [_as_value(each) for each in findings],
        "files": [str(path)],
    }


def findings_of(setup: Setup) -> list[Finding]:
    """Every pair of every claim in one set-up."""
    findings = []
    for claim in CLAIMS:
        for pair in claim.pairs_in(setup.lengths):
            found = setup.difference(pair, claim.quantity)
            findings.append(Finding(claim, setup, pair, found, judge(found, claim.kind)))
    return findings


def _of_compared(findings: Sequence[Finding]) -> list[Finding]:
    """Without set-ups in which no claim has a pair, such as the front ends of Table 3."""
    compared = {id(each.setup) for each in findings if each.found is not None}
    return [each for each in findings if id(each.setup) in compared]


def summary_rows(findings: Sequence[Finding], few_clips: Row | None = None) -> list[Row]:
    """A row a claim, a column a set-up: how many of its pairs got which verdict; the post's claim last."""
    setups = list({id(each.setup): each.setup for each in findings}.values())
    titles = dict.fromkeys([*(setup.title for setup in setups), *(few_clips or {})])
    rows: list[Row] = []
    for claim in CLAIMS:
        row: Row = {"claim": claim.title, **dict.fromkeys(titles, NOT_RUN)}
        for setup in setups:
            of_both = [each for each in findings if each.claim == claim and each.setup is setup]
            row[setup.title] = counted([(each.word, each.found.n_pairs) for each in of_both if each.found])
        rows.append(row)
    return rows + ([{"claim": TITLE, **dict.fromkeys(titles, NOT_RUN), **few_clips}] if few_clips else [])


def _anchored(title: str) -> str:
    """A title that leads to its section."""
    return f"[{title}](#{re.sub(r'[^a-z0-9 -]', '', title.lower()).replace(' ', '-')})"


def _claim_part(claim: Claim, findings: Sequence[Finding], notes: dict[str, str]) -> str:
    """The section of one claim."""
    there = [each for each in findings if each.found is not None]
    parts = [f"## {claim.title}", f"{claim.source}."]
    parts.append(markdown_table([finding_row(each) for each in there]) if there else "No numbers.")
    parts += _missing_lines(findings)
    if claim.name in notes:
        parts.append(notes[claim.name])
    elif any(each.word == "fails" for each in there):
        parts.append("Why it fails has not been looked into yet.")
    return "\n\n".join(parts)


def finding_row(each: Finding) -> Row:
    """The numbers of one finding, in the unit of what the claim is about."""
    setup, pair, quantity = each.setup, each.pair, each.claim.quantity
    first, second = (setup.values(column, quantity) for column in (pair.first, pair.second))
    keys = sorted(first.keys() & second.keys())
    means = [[side[key] for key in keys] for side in (first, second)]
    found = each.found
    assert found is not None
    row: Row = {"data": setup.title, "first": told(pair.first), "second": told(pair.second)}
    row |= _numbers(each, *means)
    row["better in"] = f"{found.n_above} of {found.n_pairs}"
    row["folds x seeds"] = " x ".join(str(len({key[i] for key in keys})) for i in (0, 1))
    row["verdict"] = each.word + (", few pairs" if found.n_pairs < FEW_PAIRS else "")
    return row


def _numbers(each: Finding, first: Sequence[float], second: Sequence[float]) -> Row:
    """Both means, the difference (of time: the ratio) and its interval."""
    found, quantity = each.found, each.claim.quantity
    assert found is not None
    if quantity == "training time":  # values are minus logarithms of seconds
        ratio = [None if value is None else f"{exp(-value):.2f}" for value in (found.mean, found.high, found.low)]
        seconds = [f"{fmean(exp(-value) for value in side):.0f}" for side in (first, second)]
        frames = each.setup.frames_ratio(each.pair)
        return {
            "first s": seconds[0],
            "second s": seconds[1],
            "time, first / second": ratio[0],
            "95 % interval": _interval(ratio[1], ratio[2]),
            "frames, first / second": f"{frames:.2f}",
        }
    unit, scale, digits = ("%", 100, 1) if quantity == "score" else ("is", 1, 3)
    low, high = (None if v is None else f"{scale * v:+.{digits}f}" for v in (found.low, found.high))
    return {
        f"first {unit}": f"{scale * fmean(first):.{digits}f}",
        f"second {unit}": f"{scale * fmean(second):.{digits}f}",
        "difference": f"{scale * found.mean:+.{digits}f}",
        "95 % interval": _interval(low, high),
    }


def _interval(low: str | None, high: str | None) -> str:
    return "one pair" if low is None or high is None else f"{low} to {high}"


def told(column: Column) -> str:
    """ "diffres 25, own length"; hop and variant where they are not the usual ones."""
    hop = "" if column.hop_ms == Column.hop_ms else f" at {column.hop_ms:g} ms"
    variant = f" {column.variant}" if column.variant else ""
    return f"{column.method} {column.fps:g}{hop}{variant}, {'padded' if column.length == 'fixed' else 'own length'}"


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
    return (
        "What the paper (arXiv 2210.01719) and the post claim, what was measured here, and whether it holds. "
        f"The page is made of the stored results by `tenuto claims {root.name} --out {path.parent.name}/{path.name}`; "
        f"why a claim fails is written by hand, in `{root.name}/{NOTES}`."
    )


def _as_value(each: Finding) -> dict[str, Any]:
    """A finding as plain values; the difference of training times is that of minus their logarithms."""
    found = each.found
    return {
        "claim": each.claim.name,
        "data": each.setup.title,
        "first": told(each.pair.first),
        "second": told(each.pair.second),
        "difference": None if found is None else found.mean,
        "low": None if found is None else found.low,
        "high": None if found is None else found.high,
        "pairs": 0 if found is None else found.n_pairs,
        "verdict": each.word,
    }
