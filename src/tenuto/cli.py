"""The command line: one function a verb that parses, calls and hands back what to print. Heavy imports wait inside.

Exit codes: 0 done, 1 the work failed, 2 the call was wrong, 3 done but some inputs were left out, 130 interrupted,
141 nobody reads the answer any more.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TextIO

from tenuto.allocator import keep_freed_memory
from tenuto.data.arguments import layout_argument
from tenuto.errors import UsageError, WorkError

SETTING = re.compile(r"(frontend|model|data|training)\.\w+=")  # sections of a recipe


@dataclass(frozen=True)
class Outcome:
    """What a verb has to say: `value` for --json, `text` for people, and how many inputs were left out."""

    value: Any
    text: str
    n_left_out: int = 0
    n_failed: int = 0


@dataclass(frozen=True)
class Verb:
    """One verb: a line of help, its arguments, its function, and whether it takes section.key=value settings."""

    help: str
    arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], Outcome]
    takes_settings: bool = False


def data_arguments(parser: ArgumentParser) -> None:
    """Arguments of `tenuto data` and of its actions."""
    actions = parser.add_subparsers(
        dest="action", metavar="list | check | prepare | make", required=True, parser_class=_Parser
    )
    listing = _json(actions.add_parser("list", help="classes and folds of a data set, or the layouts that are read"))
    listing.add_argument("source", nargs="?")
    layout_argument(listing)
    check = _json(actions.add_parser("check", help="decode every clip and name what cannot be used"))
    check.add_argument("source")
    layout_argument(check)
    prepare = _json(actions.add_parser("prepare", help="download and unpack a published data set"))
    prepare.add_argument("name", help="esc50, fsd50k, speechcommands, ...: 'tenuto data list' has them all")
    prepare.add_argument("root", type=Path, help="folder for it; an interrupted call goes on")
    prepare.add_argument("--archives", type=Path, help="folder of the downloads (default: in ROOT, until unpacked)")
    prepare.add_argument("--keep-archives", action="store_true", help="keep the downloads in ROOT")
    make = _json(actions.add_parser("make", help="make a spoken-command set with espeak-ng"))
    make.add_argument("folder", type=Path)
    make.add_argument("--words", help="with commas between them (default: the 35 words of Speech Commands)")
    make.add_argument("--train", type=int, default=100, metavar="N", help="clips of each word to learn from (100)")
    make.add_argument("--test", type=int, default=30, metavar="N", help="clips of each word to test on (30)")
    make.add_argument("--seed", type=int, default=0, help="default: 0")


def data(args: Namespace) -> Outcome:
    """Looks at, checks, downloads and makes data sets."""
    from tenuto.data import commands

    if args.action == "list":
        return Outcome(*(commands.list_clips(args.source, args.layout) if args.source else commands.list_layouts()))
    if args.action == "check":
        return Outcome(*commands.check(args.source, args.layout))
    if args.action == "prepare":
        return Outcome(*commands.prepare(args.name, args.root, args.archives, args.keep_archives, say))
    return Outcome(*commands.make(args.folder, args.words, args.train, args.test, args.seed, say))


def elsewhere(module: str, name: str, help: str, takes_settings: bool = False) -> Verb:
    """A verb that `module` has as NAME_arguments(parser) and NAME(args, say); args.settings holds the settings."""

    def arguments(parser: ArgumentParser) -> None:
        getattr(import_module(module), f"{name}_arguments")(parser)

    def run(args: Namespace) -> Outcome:
        return Outcome(*getattr(import_module(module), name)(args, say))

    return Verb(help, arguments, run, takes_settings)


VERBS: dict[str, Verb] = {
    "demo": elsewhere("tenuto.experiments.commands", "demo", "make spoken words, train on them, compare, show"),
    "train": elsewhere(
        "tenuto.training.verbs", "train", "train and test; given again it goes on after an interruption", True
    ),
    "evaluate": elsewhere("tenuto.training.verbs", "evaluate", "metrics of a trained model on labelled clips"),
    "predict": elsewhere("tenuto.inference.commands", "predict", "labels of files, folders and long recordings"),
    "export": elsewhere("tenuto.inference.commands", "export", "one file of a model for other programs, checked"),
    "explain": elsewhere("tenuto.inference.commands", "explain", "a picture of what was held and let go of a file"),
    "benchmark": elsewhere("tenuto.inference.benchmark_commands", "benchmark", "speed on this machine", True),
    "data": Verb("list, check, download or make data sets", data_arguments, data),
    "reproduce": elsewhere("tenuto.experiments.commands", "reproduce", "a table or figure of the paper", True),
    "claims": elsewhere("tenuto.experiments.claims_commands", "claims", "the paper's claims and what results say"),
    "compare": elsewhere("tenuto.experiments.compare_commands", "compare", "what changed between two runs"),
    "fewshot": elsewhere("tenuto.experiments.fewshot_commands", "fewshot", "train on few clips a class, many times"),
}


@contextmanager
def _terminable() -> Iterator[None]:
    """Ends as at Ctrl-C where the system ends the process (SIGTERM): nothing half written stays behind."""

    def end(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb and returns its exit code."""
    keep_freed_memory()
    try:
        args = parse(sys.argv[1:] if argv is None else argv)
        with _terminable(), redirect_stdout(sys.stderr) if args.json else nullcontext():
            outcome = args.verb.run(args)
        _print(json.dumps(outcome.value, ensure_ascii=False) if args.json else outcome.text, sys.stdout)
        return 1 if outcome.n_failed else 3 if outcome.n_left_out else 0
    except UsageError as error:
        return _fail(error, 2)
    except WorkError as error:
        return _fail(error, 1)
    except ModuleNotFoundError as error:
        return _fail(f"{error.name} is not installed: pip install 'tenuto[all]'", 1)
    except KeyboardInterrupt:
        return _fail("interrupted; the same command goes on", 130)
    except MemoryError as error:
        return _fail(f"not enough memory ({error or 'none left'}): ask for smaller clips, windows or batches", 1)
    except BrokenPipeError:  # whoever read the answer has seen enough of it, as `| head` does
        _let_go_of_stdout()
        return 141
    except OSError as error:  # a place that cannot be written, a full disk
        _let_go_of_stdout()
        return _fail(_told_of_the_system(error), 1)


def parse(argv: Sequence[str]) -> Namespace:
    """The verb and its arguments; section.key=value may stand anywhere behind a verb that takes settings.

    Raises:
        UsageError: for whatever argparse would refuse
    """
    parser = _Parser(prog="tenuto", description="Audio classification with learned temporal resolution.")
    from tenuto import __version__

    parser.add_argument("--version", action="version", version=f"tenuto {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=_Parser)
    settings: list[str] = []
    rest = list(argv)
    for name, verb in VERBS.items():
        tail = " Settings: section.key=value, such as training.epochs=3." if verb.takes_settings else ""
        sub = verbs.add_parser(name, help=verb.help, description=f"{verb.run.__doc__ or verb.help + '.'}{tail}")
        verb.arguments(_json(sub))
        sub.set_defaults(verb=verb)
        if verb.takes_settings and argv[:1] == [name]:
            settings, rest = _take_settings(argv, sub)
    args, unknown = parser.parse_known_args(rest, Namespace(settings=settings, json=False))
    if unknown:
        _refuse(unknown, parser, args.verb.takes_settings)
    return args


def _take_settings(argv: Sequence[str], parser: ArgumentParser) -> tuple[list[str], list[str]]:
    """Settings, and all else; what stands behind an option that takes a value is that value."""
    taking = [name for name, action in parser._option_string_actions.items() if action.nargs != 0]
    settings: list[str] = []
    rest: list[str] = []
    for before, token in zip(["", *argv], argv, strict=False):
        is_value = before not in ("", "-", "--") and any(name.startswith(before) for name in taking)
        (settings if SETTING.match(token) and not is_value else rest).append(token)
    return settings, rest


def _refuse(unknown: Sequence[str], parser: ArgumentParser, takes_settings: bool) -> NoReturn:
    """Refuses what no argument takes; what looks like a setting and names no section is told apart."""
    if takes_settings and "=" in unknown[0] and not unknown[0].startswith("-"):
        raise UsageError(f"{unknown[0]!r} is not a setting, wanted section.key=value such as training.epochs=3")
    parser.error(f"unrecognized arguments: {' '.join(unknown)}")


class _Parser(ArgumentParser):
    """Refuses in one line, as everything here does."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} -h)")


def _json(parser: ArgumentParser) -> ArgumentParser:
    parser.add_argument("--json", action="store_true", default=SUPPRESS, help="print one JSON object")
    return parser


def say(line: str) -> None:
    """Tells the person at the terminal, in one line whatever a file is called; standard output is for results."""
    _print(line.replace("\n", "\\n").replace("\r", "\\r"), sys.stderr)


def _print(text: str, stream: TextIO) -> None:
    """What the stream's encoding has no letters for (a file's name may be no text) stands there as \\udcff or \\xff."""
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def _told_of_the_system(error: OSError) -> str:
    """What the system refused, where, and what to do; a file that was being written goes by its own name."""
    place = re.sub(r"\.([^/]+)\.\d+\.part$", r"\1", str(error.filename or "standard output or a file"))
    return f"{place}: {error.strerror or error}: mend that or choose another place, then give the command again"


def _let_go_of_stdout() -> None:
    """What standard output does not take is forgotten, lest Python try again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(error: object, code: int) -> int:
    say(f"tenuto: {' '.join(str(error).split())}")
    return code


if __name__ == "__main__":
    sys.exit(main())
