"""What stands beside the graph of an exported model, checked before it is believed.

It decides how much is read at once and what answers are called, and a file may come from anywhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from tenuto.errors import WorkError
from tenuto.models.classifier import check_labels

FORMAT, FORMAT_VERSION = "tenuto-exported", "1"
_MOST_HZ, _MOST_SECONDS = 10_000_000, 86_400
_TEXT = {"format", "format_version", "tenuto_version", "activation"}  # the rest is JSON


def read_facts(session: Any, name: str) -> dict[str, Any]:
    """What `tenuto export` wrote into the file of an onnxruntime session.

    Raises:
        WorkError: another file, facts that are missing or cannot be, or a graph that is not of these facts.
    """
    found: dict[str, str] = session.get_modelmeta().custom_metadata_map
    if found.get("format") != FORMAT or found.get("format_version") != FORMAT_VERSION:
        raise WorkError(
            f"{name} is not a model that this tenuto exported: wanted what `tenuto export RUN {name}` gives"
        )
    try:
        facts = {key: text if key in _TEXT else json.loads(text) for key, text in found.items()}
        _check(facts)
        _check_graph(session, len(facts["labels"]))
    except (ValueError, RecursionError) as error:  # a UsageError is a ValueError
        raise WorkError(f"{name}: what stands beside the graph is wrong ({error}): export it again") from error
    return facts


def _check(facts: dict[str, Any]) -> None:
    for key, (fits, wanted) in _WANTED.items():
        if key not in facts:
            raise ValueError(f"{key} is missing, wanted {wanted}")
        if not fits(facts[key]):
            raise ValueError(f"{key} is {repr(facts[key])[:60]}, wanted {wanted}")
    check_labels(facts["labels"], facts["multi_label"], facts.get("activation", ""))


def _check_graph(session: Any, n_classes: int) -> None:
    """Whether the graph takes waveforms and lengths, and gives (batch, class)."""
    inputs = {each.name for each in session.get_inputs()}
    shapes = [each.shape for each in session.get_outputs()]
    if inputs != {"waveforms", "lengths"}:
        raise ValueError(f"the graph takes {', '.join(sorted(inputs)) or 'nothing'}, wanted waveforms and lengths")
    if [len(shape) for shape in shapes] != [2] or (isinstance(shapes[0][1], int) and shapes[0][1] != n_classes):
        raise ValueError(f"the graph gives {shapes}, wanted (batch, {n_classes})")


def _whole(value: Any, least: int, most: float = math.inf) -> bool:
    return type(value) is int and least <= value <= most


def _number(value: Any, least: float, most: float) -> bool:
    return type(value) in (int, float) and least <= value <= most


_WANTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "labels": (lambda x: isinstance(x, list) and all(isinstance(each, str) for each in x), "a list of names"),
    "multi_label": (lambda x: isinstance(x, bool), "true or false"),
    "sample_rate": (lambda x: _whole(x, 1, _MOST_HZ), f"a whole number of hertz, at most {_MOST_HZ}"),
    "clip_seconds": (lambda x: x is None or _number(x, 1e-4, _MOST_SECONDS), "null, or seconds, at most a day"),
    "hop_length": (lambda x: _whole(x, 1), "a whole number of samples"),
    "reduction": (lambda x: _number(x, 0, 1) and x < 1, "a number from 0 to less than 1"),
    "n_kept": (lambda x: x is None or _whole(x, 1), "null, or a whole number of frames"),
    "f_min": (lambda x: _number(x, 0, _MOST_HZ), "hertz"),
    "f_max": (lambda x: _number(x, 0, _MOST_HZ), "hertz"),
}
