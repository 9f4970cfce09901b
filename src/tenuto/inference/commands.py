"""What the command line calls: predictions and explanations from words, answers as (value for JSON, text, left out,
failed)."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tenuto.inference.predict import Progress
    from tenuto.inference.predictions import Predictions

Answer = tuple[dict[str, Any], str, int, int]
Say = Callable[[str], None]


def predict_arguments(parser: ArgumentParser) -> None:
    """Arguments of `tenuto predict`."""
    add = parser.add_argument
    add("model", help="run folder, model folder, model.json or an exported .onnx")
    add("inputs", nargs="+", metavar="FILE", help="audio files, and folders of them (searched all the way down)")
    add("--window", type=float, metavar="SECONDS", help="default: what the model was trained on, or the whole file")
    add("--hop", type=float, metavar="SECONDS", help="from window to window (default: the window)")
    add("--top-k", type=int, metavar="N", help="labels a window (default: table 3, label files 1, CSV and JSON all)")
    add("--threshold", type=float, metavar="P", help="only scores of at least this")
    add("--csv", type=Path, metavar="FILE", help="write file,start,end,label,score; the same command goes on after "
        "an interruption")  # fmt: skip
    add("--wide", action="store_true", help="in the CSV a column a class instead of a row a label")
    add("--audacity", type=Path, metavar="FOLDER", help="write a label file an audio file")
    add("--raven", type=Path, metavar="FILE", help="write a Raven selection table")
    add("--journal", type=Path, metavar="FOLDER", help="keep answers here, to go on after an interruption")
    add("-b", "--batch-size", type=int, default=16, help="windows at a time (default: 16)")
    add("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")


def predict(args: Namespace, say: Say) -> Answer:
    """Labels and scores of files, folders and long recordings; what cannot be read is listed and stops nothing."""
    from tenuto.errors import UsageError
    from tenuto.inference.journal import Journal
    from tenuto.inference.outputs import as_dict
    from tenuto.inference.predict import predict as run

    if args.wide and args.csv is None:
        raise UsageError("--wide shapes the CSV: give --csv FILE with it")
    beside = args.csv.with_name(f"{args.csv.name}.journal") if args.csv is not None else None
    found = run(
        args.model,
        args.inputs,
        window_seconds=args.window,
        hop_seconds=args.hop,
        batch_size=args.batch_size,
        journal=args.journal or beside,
        progress=_bar(),
        device=args.device,
    )
    for item in found.left_out:
        say(f"left out: {item.file}: {item.reason}")
    written = _write(found, args)
    if args.journal is None and beside is not None:
        Journal(beside, "").remove()  # all that is in it now stands in the CSV
    value = {**as_dict(found, args.top_k, args.threshold), "written": written}
    nothing = 0 if found.files else 1
    return value, _told(found, args, written), len(found.left_out), nothing


def explain_arguments(parser: ArgumentParser) -> None:
    """Arguments of `tenuto explain`."""
    add = parser.add_argument
    add("model", help="run folder, model folder or model.json")
    add("file", type=Path, help="audio file")
    add("--out", type=Path, action="append", metavar="FILE", help="picture (.png, .svg, .pdf) or data (.json, .csv); "
        "may be given several times (default: NAME.explained.png)")  # fmt: skip
    add("--start", type=float, default=0.0, metavar="SECONDS", help="where in the file to begin (default: 0)")
    add("--seconds", type=float, help="how much of it (default: what the model hears at once)")
    add("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")


def explain(args: Namespace, say: Say) -> Answer:
    """The importance of every frame of a file, what was kept of it, and the answer: a picture, or data."""
    from tenuto.inference.explain import explain as run
    from tenuto.inference.explanation import written_to

    outs = args.out or [Path(f"{args.file.stem}.explained.png")]
    found = run(args.model, args.file, outs, start_seconds=args.start, seconds=args.seconds, device=args.device)
    written = [str(path) for out in outs for path in written_to(out)]
    lines = [found.picture.title, *found.picture.notes, *(f"wrote {path}" for path in written)]
    return {**found.as_dict(), "written": written}, "\n".join(lines), 0, 0


def export_arguments(parser: ArgumentParser) -> None:
    """Arguments of `tenuto export`."""
    parser.add_argument("model", help="run folder, model folder or model.json")
    parser.add_argument("out", type=Path, help="model.onnx, or model.pt2 for torch.export.load")
    parser.add_argument("clips", nargs="*", metavar="CLIP", help="audio files, and folders of them, to check the "
        "file on (default: synthetic sounds alone)")  # fmt: skip


def export(args: Namespace, say: Say) -> Answer:
    """Writes a model as one file for other programs, checked against PyTorch to 1e-4 before it stands."""
    from tenuto.inference.export import export as run

    found = run(args.model, args.out, args.clips)
    value = {
        "written": str(found.path),
        "largest_difference": found.largest_difference,
        "n_batches": found.n_trials,
        "n_clips": found.n_clips,
        "facts": found.facts,
        "left_out": [item._asdict() for item in found.left_out],
    }
    for item in found.left_out:
        say(f"left out of the check: {item.file}: {item.reason}")
    checked = f"{found.n_clips} clips in {found.n_trials} batches"
    told = f"largest difference of a probability from PyTorch's: {found.largest_difference:.2g} ({checked})"
    return value, f"wrote {found.path}\n{told}", len(found.left_out), 0


def _write(found: Predictions, args: Namespace) -> list[str]:
    """Writes the files that were asked for; -> their names."""
    from tenuto.inference.outputs import save_audacity, save_csv, save_raven

    written = []
    few = 1 if args.top_k is None else args.top_k
    if args.csv is not None:
        written.append(save_csv(found, args.csv, args.top_k, args.threshold, args.wide))
    if args.audacity is not None:
        written += save_audacity(found, args.audacity, few, args.threshold)
    if args.raven is not None:
        written.append(save_raven(found, args.raven, few, args.threshold))
    return [str(path) for path in written]


def _told(found: Predictions, args: Namespace, written: list[str]) -> str:
    """The table, or where it was written; and how much was heard."""
    from tenuto.inference.outputs import as_table
    from tenuto.report.words import counted

    heard = f"{counted(found.n_windows, 'window')} of {counted(len(found.files), 'file')}"
    if found.left_out:
        heard += f", {len(found.left_out)} left out"
    if written:
        return "\n".join([*(f"wrote {path}" for path in written), heard])
    return f"{as_table(found, args.top_k or 3, args.threshold)}\n\n{heard}" if found.files else heard


def _bar() -> Progress | None:
    """A progress bar where a person watches."""
    if not sys.stderr.isatty():
        return None
    from tqdm import tqdm

    bar: Any = tqdm(desc="files", unit="file", file=sys.stderr, leave=False)

    def show(n_done: int, n_files: int, file: str) -> None:
        bar.total = n_files
        bar.update(n_done - bar.n)
        if n_done == n_files:
            bar.close()

    return show
