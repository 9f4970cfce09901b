"""What is said under a table: marks, whose the numbers in brackets are, what was scaled down, where it ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tenuto.experiments.experiment import Experiment
from tenuto.experiments.protocols import protocol
from tenuto.experiments.results import Results
from tenuto.report.words import counted


def notes(results: Results, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader must know: marks, whose the numbers in brackets are, and what was scaled down."""
    return [
        *_reading_lines(results),
        *results.experiment.notes,
        *_paper_lines(results),
        *scale_lines(results.experiment, records),
        *circumstance_lines(records),
    ]


def _reading_lines(results: Results) -> list[str]:
    """How the entries are to be read."""
    if not results.experiment.table:
        return []
    base = results.experiment.baseline
    against = "the 100 FPS log-mel" if base.method == "logmel" else f"{base.head}"
    lines = [
        "Percent, mean over folds and seeds ± standard deviation over seeds (none for one seed); "
        "in brackets the paper's number.",
        f"†: not below {against}, to a tenth of a percent, on the same folds and seeds.",
        "Fixed length: all clips zero-padded or cropped to one length, and the padding counts as sound; "
        "own length: each clip keeps its own share of frames.",
        "Frames kept / sound: frames into the classifier over frames that the clips fill at 100 FPS, "
        "padding not counted.",
        "Differences are paired by fold and seed; interval: 95 %, bootstrap over folds and seeds "
        "(too narrow rather than too wide with so few folds).",
    ]
    if results.experiment.averaged and len({data for data, _ in results.groups}) > 1:
        lines.append("Average: of the rows above, of our numbers and of the paper's.")
    if results.experiment.timed:
        lines.append(
            "Training time: wall-clock seconds over those of the baseline's training on the same folds and seeds; "
            "it means something where both ran alone on the same machine."
        )
    return lines


def _paper_lines(results: Results) -> list[str]:
    """Whose the numbers in brackets are, where they are of other data."""
    lines = []
    for data in dict.fromkeys(data for data, _ in results.groups):
        known, printed = protocol(data), results.experiment.printed
        columns = [column for name, column in results.groups if name == data]
        if known.paper_set is None or known.same:
            continue
        if any(printed(known.paper_set, results.system(column), column) for column in columns):
            lines.append(
                f"{known.title} is not in the paper: the numbers in brackets are those of its "
                f"{known.paper_set}, the same kind of task on other data."
            )
    return lines


def scale_lines(experiment: Experiment, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """How the trainings differ from the paper's, one line a data set, length and variety."""
    return list(dict.fromkeys(_scale_line(experiment, record) for record in records))


def _scale_line(experiment: Experiment, record: Mapping[str, Any]) -> str:
    settings, cell = record["recipe"], record["cell"]
    seconds, limit = settings["data.clip_seconds"], settings["limit"]
    weights = "ImageNet weights" if settings["model.pretrained"] else "from scratch"
    chosen = f"on {100 * settings['data.valid_share']:g} % of the training part, set aside"
    clips = "all clips" if limit is None else f"at most {counted(limit, 'clip')} of each class and fold"
    if settings["training.choose"] == "last":
        chosen = "nowhere: the last epoch's"
    length = f"{cell['length']} length" + ("" if seconds is None else f" of {seconds:g} s")
    return (
        f"{protocol(cell['data']).title}, {length}: "
        f"backbone {settings['model.backbone']} {weights} (the paper: {experiment.in_paper}), "
        f"{counted(settings['training.epochs'], 'epoch')}, batch {settings['data.batch_size']}, "
        f"{settings['frontend.n_mels']} bands, {clips}; "
        f"the model was chosen {chosen}."
    )


def circumstance_lines(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Machines, versions and commands behind the records, each once."""
    lines = []
    for record in records:
        machine, packages = record["machine"], record["versions"]
        lines.append("Machine: " + ", ".join(f"{key} {value}" for key, value in machine.items() if value) + ".")
        lines.append("Versions: " + ", ".join(f"{key} {value}" for key, value in packages.items()) + ".")
        lines.append(f"Command: {record['command']}")
    return list(dict.fromkeys(lines))
