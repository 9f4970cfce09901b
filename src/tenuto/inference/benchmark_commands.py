"""What the command line calls: speed on this machine, answers as (value for JSON, text, left out, failed)."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenuto.errors import UsageError

if TYPE_CHECKING:
    from tenuto.inference.benchmark import Size
    from tenuto.inference.benchmark_page import Section

Answer = tuple[dict[str, Any], str, int, int]
Say = Callable[[str], None]

PARTS = {
    "layers": "what layers that reduce time cost, over lengths",
    "frontends": "waveform to features",
    "throughput": "waveform to label at several frame rates, the paper's Figure 5",
    "pipeline": "a training from files to weights, and which stage is its limit",
}


def benchmark_arguments(parser: ArgumentParser) -> None:
    """Arguments of `tenuto benchmark`."""
    add = parser.add_argument
    told = "; ".join(f"{name}: {what}" for name, what in PARTS.items())
    add("parts", nargs="*", metavar="PART", help=f"{told} (default: all)")
    add("--out", type=Path, metavar="FOLDER", help="write benchmark.json, benchmark.md and a picture of each part")
    add("--rounds", type=int, default=7, help="in which each candidate has its turn (default: 7)")
    add("--threads", type=int, help="CPU threads (default: what the environment gives)")
    add("--cpu-time", action="store_true", help="seconds of the processor: for a busy machine, with --threads 1")
    add("--device", default="cpu", help="cpu, cuda, ... (default: cpu)")
    add("--seconds", type=float, default=10.0, help="length of a clip (default: 10)")
    add("--batch-size", type=int, default=4, help="clips at a time (default: 4; of the pipeline: data.batch_size)")
    add("--bands", type=int, default=128, help="of the front ends (default: 128)")
    add("--backbone", default="efficientnet_b2", help="of throughput: sbcnn or any timm model (default: the paper's)")
    add("--fps", default="25,50,75,100", help="of throughput (default: 25,50,75,100)")
    add("--data", metavar="SOURCE", help="of pipeline: clips with labels, as for train (default: made up)")
    add("--clips", type=int, default=64, help="of pipeline: how many (default: 64)")
    add("--recipe", help="of pipeline: YAML file, or the name of one of tenuto's own; settings change it")


def benchmark(args: Namespace, say: Say) -> Answer:
    """Speed on this machine: layers, front ends, whole classifiers, a training; in tables and pictures."""
    parts = _parts(args.parts)
    if args.settings and "pipeline" not in parts:
        raise UsageError(f"{args.settings[0]} is for the pipeline: name it as a part, or leave the setting out")
    _prepare(args)
    from tenuto.inference.benchmark import Size
    from tenuto.inference.benchmark_page import as_text, as_value, save_all
    from tenuto.inference.machine import machine

    rates = _rates(args.fps)
    size = Size(args.rounds, args.batch_size, args.seconds, args.bands, args.backbone, rates, args.device)
    size = replace(size, cpu_time=args.cpu_time)
    sections = [_section(part, size, args, say) for part in parts]
    found = machine()
    written = [] if args.out is None else [str(path) for path in save_all(sections, found, args.out)]
    text = "\n".join([as_text(sections, found), *(f"wrote {path}" for path in written)])
    return {**as_value(sections, found), "written": written}, text, 0, 0


def _section(part: str, size: Size, args: Namespace, say: Say) -> Section:
    """Measures one part."""
    from tenuto.inference import benchmark as measured
    from tenuto.inference.benchmark_page import Section

    batch = f"batch {size.batch_size}"
    match part:
        case "layers":
            title = f"Layers to a quarter of the frames: {size.n_bands} bands, {batch}; both: forward and backward"
            return Section(part, title, measured.layers(size, say))
        case "frontends":
            title = (
                f"Front ends: {size.n_bands} bands, {batch}, clips of {size.seconds:g} s; both: forward and backward"
                f"{', CPU time' if size.cpu_time else ''}"
            )
            return Section(part, title, measured.frontends(size, say))
        case "throughput":
            title = f"Throughput, waveform to label: {size.backbone}, {batch}, clips of {size.seconds:g} s (Figure 5)"
            return Section(part, title, measured.throughput(size, say))
    from tenuto.inference.pipeline import measure
    from tenuto.training.recipe import load_recipe

    recipe = load_recipe(args.recipe, args.settings)
    options = {"n_clips": args.clips, "seconds": size.seconds, "n_rounds": size.n_rounds, "device": size.device}
    found = measure(recipe, args.data, say=lambda line: say(f"pipeline: {line}"), **options)
    title = f"Training: {recipe.model.backbone}, batch {recipe.data.batch_size}, {args.data or 'clips made up here'}"
    return Section(part, title, found.rows, found.limit)


def _prepare(args: Namespace) -> None:
    """Threads and device, refused in one line where they cannot be had."""
    if args.threads is not None and args.threads < 1:
        raise UsageError(f"--threads {args.threads}: wanted 1 or more")
    import torch

    if args.threads is not None:
        torch.set_num_threads(args.threads)
    try:
        torch.zeros(1, device=args.device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"--device {args.device} cannot be used ({reason}): wanted cpu, or cuda where there is one"
        ) from error


def _parts(names: Sequence[str]) -> list[str]:
    from tenuto.models.settings import unknown_name

    for name in names:
        if name not in PARTS:
            raise UsageError(unknown_name(name, list(PARTS), "part"))
    return list(dict.fromkeys(names)) or list(PARTS)


def _rates(text: str) -> tuple[float, ...]:
    try:
        return tuple(dict.fromkeys(float(part) for part in text.split(",") if part.strip()))
    except ValueError as error:
        raise UsageError(f"--fps {text!r}: wanted numbers with commas between them, such as 25,50,75,100") from error
