"""Named changes of a recipe that a cell may have besides its method, frame rate, hop and length."""

from __future__ import annotations

from tenuto.errors import UsageError
from tenuto.models.settings import unknown_name

OVERRIDES: dict[str, tuple[str, ...]] = {
    "no-guide": ("training.guide_weight=0",),
    "no-encoding": ("frontend.encoding=none",),
    "no-max": ("frontend.max=false",),
    "no-algorithm1": ("frontend.algorithm1=false",),
    "leaf": ("frontend.filterbank=leaf", "frontend.compression=pcen"),  # as published, with learned PCEN
    "sincnet": ("frontend.filterbank=sincnet",),
    "tdfbank": ("frontend.filterbank=time-domain",),
    "normalizer-reduction": ("frontend.normalizer=reduction",),
    "paper-recipe": (),  # the data set's own recipe where a table changes it for all other cells
}
NUMBERS = {"lambda": "frontend.guide_lambda", "dilation": "frontend.dilation"}
FIXED_NUMBER = "fixed-number"  # the same number of kept frames for every clip


def overrides_of(variant: str, fps: float, seconds: float) -> list[str]:
    """A variant's settings, as "section.key=value".

    Args:
        fps: frames a second that reach the classifier
        seconds: the one length that padding would bring all clips to: of it, "fixed-number" keeps fps x seconds
    Raises:
        UsageError: there is no such variant
    """
    if not variant:
        return []
    if variant == FIXED_NUMBER:
        return [f"frontend.n_kept={max(1, round(fps * seconds))}"]
    name, equals, number = variant.partition("=")
    if equals and name in NUMBERS:
        return [f"{NUMBERS[name]}={number}"]
    if variant not in OVERRIDES:
        raise UsageError(unknown_name(variant, [*OVERRIDES, FIXED_NUMBER, *NUMBERS], "variant"))
    return list(OVERRIDES[variant])
