"""The post's negative result among the claims: a learned logarithm is no better than a fixed one, with few clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tenuto.experiments.claims import LEAST_PAIRS, MARGIN, Word, counted, judge, looked_into
from tenuto.experiments.claims_evidence import Stored
from tenuto.experiments.claims_stores import link
from tenuto.experiments.fewshot_page import HEADS, Groups, Row, data_of, difference_rows, gather, sizes_of
from tenuto.experiments.protocols import protocol
from tenuto.experiments.statistics import bootstrap, paired
from tenuto.report.tables import markdown_table

TITLE = "Few clips: a learned logarithm does not improve the results"
CLAIM = f"""\
The post (Pons, "Learning the logarithmic compression of the mel spectrogram"): log-learn and log-EPS are almost
equivalent on UrbanSound8K; on TUT Acoustic Scenes log-learn is much worse, except for SB-CNN with at most 10 clips a
class. A line says by how many points log-learn is above log-EPS with n clips a class, paired by fold and draw, with
the 95 % interval (* leaves out 0), and what that means for the claim: it holds where the whole interval is below
+{100 * MARGIN:g} point, fails where it is above 0 and part of it above +{100 * MARGIN:g} point, and is undecided \
elsewhere and with fewer than {LEAST_PAIRS} pairs."""
LEARNED, FIXED = "log-learn", "log"


def fewshot_part(stores: Sequence[Stored], page: Path, note: str | None) -> list[str]:
    """The section of the post's claim; nothing where no few-data results are there at all."""
    parts = []
    for store in stores:
        if store.kind == "few clips":
            groups = gather(store.records)
            parts += [part for data in data_of(groups) if (part := _data_part(groups, data, store, page))]
    if not parts:
        return []
    failing = [title for title, told in fewshot_summary(stores).items() if "fails" in str(told)]
    return [f"## {TITLE}", CLAIM, *parts, *looked_into(note, failing)]


def _data_part(groups: Groups, data: str, store: Stored, page: Path) -> str:
    """One data set's differences, how many of them say what, and where the tables are."""
    learned = f"{HEADS[LEARNED]} - "
    rows = [row for row in difference_rows(groups, data) if str(row["Difference"]).startswith(learned)]
    if not rows:
        return ""
    for row in rows:
        row["the claim"] = counted(_of_model(groups, data, str(row["Model"])))
    table = markdown_table(rows)
    more = f"All models, draws and settings: {link(store.folder / 'fewshot.md', page)}."
    return f"### {protocol(data).title}\n\n{table}\n\n{more}"


def fewshot_summary(stores: Sequence[Stored]) -> Row:
    """Data set -> how many of its models and n got which verdict."""
    words: dict[str, list[tuple[Word, int]]] = {}
    for store in stores:
        groups = gather(store.records) if store.kind == "few clips" else {}
        for data, model, compression, n in groups:
            if compression == LEARNED:
                words.setdefault(protocol(data).title, []).append(fewshot_verdict(groups, data, model, n))
    return {title: counted(found) for title, found in words.items()}


def _of_model(groups: Groups, data: str, head: str) -> list[tuple[Word, int]]:
    """The verdicts over n of the model with this head."""
    model = next(name for name, other in HEADS.items() if other == head)
    return [fewshot_verdict(groups, data, model, n) for n in sizes_of(groups, data)]


def fewshot_verdict(groups: Groups, data: str, model: str, n: int) -> tuple[Word, int]:
    """Whether log-EPS is no worse than log-learn, and how many pairs say so."""
    learned, fixed = (groups.get((data, model, name, n)) for name in (LEARNED, FIXED))
    if learned is None or fixed is None:
        return "not run", 0
    found = bootstrap(paired(fixed.scores, learned.scores))
    return judge(found, "not worse"), 0 if found is None else found.n_pairs
