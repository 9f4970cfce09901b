"""What `tenuto demo` does: spoken words made on the spot, learned from every frame and from a quarter of them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tenuto.data.audio import read
from tenuto.data.check import check_clips
from tenuto.data.clips import Clip, ClipTable
from tenuto.data.sets import find_clips
from tenuto.data.spoken import WORDS_10, WORDS_35, make_spoken_commands
from tenuto.experiments.circumstances import circumstances
from tenuto.experiments.grid import Say, duration
from tenuto.experiments.throughput import clips_per_second
from tenuto.files import write_json, write_text
from tenuto.inference.explain import explain
from tenuto.models.checkpoint import load
from tenuto.report.plots import comparison, explanation, save
from tenuto.report.tables import Row, text_table
from tenuto.training.fit import fit
from tenuto.training.recipe import Recipe, load_recipe

METHODS = {"log-mel": ("none", None), "DiffRes": ("diffres", 25.0)}  # name -> resolution, FPS
FULL_FPS = 100.0
N_PICTURES = 4
N_TIMED = 64  # clips of one turn of the measurement of speed
PROGRESS_SECONDS = 5.0


@dataclass(frozen=True)
class DemoPlan:
    """What the demo makes and how large it is.

    Args:
        words: the classes; None: ten words
        all_words: the 35 words of Speech Commands
        smallest: few clips and epochs, to see that everything works
        threads: of the CPU; None: all
    """

    out: Path
    words: tuple[str, ...] | None = None
    all_words: bool = False
    smallest: bool = False
    seed: int = 0
    threads: int | None = None

    @property
    def chosen_words(self) -> tuple[str, ...]:
        """The classes."""
        return self.words or (WORDS_35 if self.all_words else WORDS_10)

    @property
    def n_train(self) -> int:
        """Training clips of each word."""
        return 30 if self.smallest else 160

    @property
    def n_test(self) -> int:
        """Test clips of each word, by voices never heard in training."""
        return 10 if self.smallest else 40

    def recipe(self, name: str) -> Recipe:
        """The recipe of one of the two models: both alike but for the frames that reach the classifier."""
        resolution, fps = METHODS[name]
        settings = [f"frontend.resolution={resolution}", f"frontend.fps={'null' if fps is None else fps}"]
        if self.smallest:
            settings += ["training.epochs=8", "training.schedule_start=5"]
        return load_recipe("spoken", settings)


def demo(plan: DemoPlan, say: Say) -> dict[str, Any]:
    """Makes the words, trains both models, measures both in turn, draws what was kept; resumes.

    Returns:
        text (table and what to do next), rows, pictures, model, seconds
    Raises:
        UsageError: words that cannot be said, or a folder that holds another demo
        WorkError: espeak-ng is not installed
    """
    began = time.monotonic()
    if plan.threads is not None:
        torch.set_num_threads(plan.threads)
    table = _make_words(plan, say)
    report = check_clips(table.clips)
    found = {}
    for name in METHODS:
        say(f"training {name} at {METHODS[name][1] or FULL_FPS:g} frames a second")
        recipe = plan.recipe(name)
        found[name] = fit(recipe, table, folder_of(plan, name), seed=plan.seed, report=report, say=say)
    test = [clip for clip in table.clips if clip.split == "test"]
    speeds = _measure(plan, test, say)
    rows = [_row(name, found[name], speeds[name]) for name in METHODS]
    pictures = _draw(plan, test)
    seconds = time.monotonic() - began
    text = "\n".join([text_table(rows), "", *_notes(plan, table, pictures, seconds)])
    write_text(plan.out / "demo.txt", text + "\n")
    value = {"rows": rows, "pictures": [str(path) for path in pictures], "model": str(folder_of(plan, "DiffRes"))}
    write_json(plan.out / "demo.json", {**value, "seconds": round(seconds, 1), **circumstances()})
    return {**value, "seconds": round(seconds, 1), "text": text}


def folder_of(plan: DemoPlan, name: str) -> Path:
    """The run folder of one of the two models."""
    return plan.out / name.lower()


def _make_words(plan: DemoPlan, say: Say) -> ClipTable:
    """The clips of the demo, spoken by espeak-ng where they are not there yet."""
    last = [time.monotonic()]

    def progress(n_there: int, n_clips: int) -> None:
        if n_there == n_clips or time.monotonic() - last[0] > PROGRESS_SECONDS:
            last[0] = time.monotonic()
            say(f"speaking {n_there}/{n_clips} clips")

    folder = plan.out / "clips"
    make_spoken_commands(
        folder, plan.chosen_words, n_train=plan.n_train, n_test=plan.n_test, seed=plan.seed, progress=progress
    )
    return find_clips(folder)


def _measure(plan: DemoPlan, test: list[Clip], say: Say) -> dict[str, float]:
    """Clips a second of both models, from waveform to answer, on the same test clips."""
    say("measuring speed, both models in turn")
    models = {name: load(folder_of(plan, name)) for name in METHODS}
    sample_rate = models["DiffRes"].sample_rate
    clips = [torch.from_numpy(read(clip.path, sample_rate)) for clip in test[:N_TIMED]]
    lengths = torch.tensor([len(clip) for clip in clips])
    waveforms = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
    return clips_per_second(models, waveforms, lengths, n_rounds=3 if plan.smallest else 10)


def _row(name: str, found: dict[str, Any], speed: float) -> Row:
    """One line of the table."""
    fps = METHODS[name][1] or FULL_FPS
    return {
        "front end": name,
        "frames a second": round(fps),
        "accuracy %": f"{100 * found['accuracy']:.1f}",
        "frames into the classifier": round(found["kept_frames"] / found["test_clips"]),
        "clips a second": f"{speed:.0f}",
    }


def _draw(plan: DemoPlan, test: list[Clip]) -> list[Path]:
    """What was kept of a test clip of each of the first words, and all of the one where the least even choice was."""
    model = load(folder_of(plan, "DiffRes"))
    found = []
    for word in plan.chosen_words[:N_PICTURES]:
        one = explain(model, next(clip.path for clip in test if clip.labels == (word,)))
        heard = ", ".join(f"{label} {score:.2f}" for label, score in one.scores[:2])
        found.append(replace(one, picture=replace(one.picture, title=f"said: {word}; heard: {heard}")))
    folder = plan.out / "pictures"
    save(comparison([one.picture for one in found]), folder / "kept.png")
    save(explanation(max(found, key=lambda one: one.activeness).picture), folder / "explained.png")
    return [folder / "kept.png", folder / "explained.png"]


def _notes(plan: DemoPlan, table: ClipTable, pictures: list[Path], seconds: float) -> list[str]:
    n_test = sum(clip.split == "test" for clip in table.clips)
    return [
        f"{len(table.labels)} words by espeak-ng, {n_test} test clips by voices never heard in training, "
        f"one seed; clips a second on {torch.get_num_threads()} threads of this machine, in turn.",
        f"Pictures of what was kept: {', '.join(map(str, pictures))}",
        f"Done in {duration(seconds)}. The model is in {folder_of(plan, 'DiffRes')}; on your own file: "
        f"tenuto predict {folder_of(plan, 'DiffRes')} FILE",
    ]
