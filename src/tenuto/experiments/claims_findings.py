"""What each claim comes to in each set-up of the results: differences, verdicts and their rows in tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from statistics import fmean
from typing import Any

from tenuto.experiments.claims import CLAIMS, FEW_PAIRS, Claim, Pair, Word, counted, judge
from tenuto.experiments.claims_evidence import Setup
from tenuto.experiments.claims_fewshot import TITLE
from tenuto.experiments.grid import Column
from tenuto.experiments.layout import NOT_RUN, Row
from tenuto.experiments.statistics import Difference


@dataclass(frozen=True)
class Finding:
    """A pair of columns in one set-up, its difference (None where there is none) and the verdict."""

    claim: Claim
    setup: Setup
    pair: Pair
    found: Difference | None
    word: Word


def findings_of(setup: Setup) -> list[Finding]:
    """Every pair of every claim in one set-up."""
    findings = []
    for claim in CLAIMS:
        for pair in claim.pairs_in(setup.lengths):
            found = setup.difference(pair, claim.quantity)
            findings.append(Finding(claim, setup, pair, found, judge(found, claim.kind)))
    return findings


def of_compared(findings: Sequence[Finding]) -> list[Finding]:
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


def as_value(each: Finding) -> dict[str, Any]:
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
