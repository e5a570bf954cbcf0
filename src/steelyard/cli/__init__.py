"""The command line: `steelyard COMMAND`. Each command is a module, imported only when it is used."""

import gc
import importlib
import json
import os
import select
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType

# Nothing here may import torch: help must appear at once.
COMMANDS = {
    "train": "train a model with a recipe: post-training, pretraining, unlearning, a guard",
    "score": "try a verifier on completions of a file",
    "eval": "measure a run's model on held-out prompts",
    "audit": "measure what a model does on rows of a file, as a table",
    "sample": "print completions of a run's model",
    "report": "write a run's page again from its records",
    "watch": "show runs live in a browser: curves, buffer, trajectories",
    "replay": "show a run's replay buffer; export it, add to it, check it",
    "repeat": "execute an inline run again and compare the events",
    "plan": "say how many searchers a run needs, by simulation",
    "doctor": "check installation and machine, and say what each recipe needs",
    "methods": "list the methods, or explain one",
    "check": "run the conformance suite on a method of your own",
    "prove": "measure a method's claim against its paper's baseline, with a verdict that can fail",
    "try": "try a proof with other settings and learning rates, before anything is claimed",
    "worlds": "list the worlds that a proof can choose from, with what was measured of each",
    "study": "measure a claim: several runs side by side, a table, a plot and a verdict",
    "results": "write the page of all measured claims, from the studies' run directories",
    "bench": "measure speed, side by side with what people run today",
    "reward-model": "train a reward model on preferences",
    "build-base": "train a shipped base model again",
}
ALIASES = {"warmstart": "build-base"}
"""Former names of commands, which still work."""
EVERYWHERE = ("--json", "--debug")
READER_LEFT = 141
"""Exit code where the reader of standard output has closed it, as a shell reports it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    0 on success; 1 if a run could not go on, or if the answer's `exit_code` says so; 2 for wrong input; 130 after
    Ctrl-C; 141 where nobody reads standard output any more; 143 after SIGTERM.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    words = [word for word in given if word not in EVERYWHERE]
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if words[0] == "--version":
        from steelyard import __version__

        print(f"steelyard {__version__}")
        return 0
    name = _current(words[0])
    if name == "doctor" and (told := _cannot_begin()):
        print(json.dumps({"exit_code": 1, "packages": told}) if "--json" in given else "\n".join(told))
        return 1
    return carry_out(lambda: _command(name).run(words[1:]), as_json="--json" in given, debug="--debug" in given)


def carry_out(act: Callable[[], Mapping[str, object]], *, as_json: bool = False, debug: bool = False) -> int:
    """Call `act`, print an error as one line, and return the exit code that `main` describes."""
    with _frozen_imports():
        from steelyard.cli.sanitize import plain
        from steelyard.core import SteelyardError

    try:
        answer = _said(act, as_json)
    except BrokenPipeError:
        if not _reader_left():
            raise
        return READER_LEFT
    except SteelyardError as error:
        if debug:
            traceback.print_exc()
        print(f"steelyard: {plain(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("steelyard: stopped by Ctrl-C", file=sys.stderr)
        return 130
    exit_code = answer.get("exit_code", 0)
    return exit_code if isinstance(exit_code, int) else 1


def _said(act: Callable[[], Mapping[str, object]], as_json: bool) -> Mapping[str, object]:
    """The answer, when all of it is written: also a help text, after which `act` raises SystemExit."""
    try:
        answer = act()
        if as_json:
            from steelyard.runtime import to_json

            print(to_json(answer))
        return answer
    finally:
        sys.stdout.flush()


def _reader_left() -> bool:
    """Whether whoever read standard output, such as `head`, has closed it; then nothing more is written there."""
    asked = select.poll()
    asked.register(sys.stdout, 0)  # errors are told unasked
    if not asked.poll(0):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def overview() -> str:
    """The text of `steelyard --help`."""
    rows = "\n".join(f"  {name:<12} {text}" for name, text in COMMANDS.items())
    return (
        "usage: steelyard COMMAND ...\n\n"
        "Post-train language models off-policy, by trajectory balance with asynchrony.\n\n"
        f"commands:\n{rows}\n\n"
        "options of every command:\n"
        "  --help     explain the command, then stop\n"
        "  --json     print the result as one JSON object, as the last line of standard output\n"
        "  --debug    show the traceback behind an error\n\n"
        "A first run, without a download, an account or a GPU: steelyard train arithmetic"
    )


def _cannot_begin() -> list[str]:
    """The packages without which no command can begin, and how to install them; empty where all are there."""
    from steelyard.cli import installed

    missing = [str(package) for package in installed.lacking() if package.found is None]
    return [*missing, installed.mend()] if missing else []


def _current(name: str) -> str:
    """The command's present name; a former one is announced in one line on standard error."""
    if name not in ALIASES:
        return name
    print(f"steelyard: {name} is now called {ALIASES[name]}", file=sys.stderr)
    return ALIASES[name]


def _command(name: str) -> ModuleType:
    from steelyard.core import SteelyardError, suggest

    if name not in COMMANDS:
        raise SteelyardError(f"unknown command {name!r}", where="COMMAND", hint=suggest(name, COMMANDS))
    with _frozen_imports():
        return importlib.import_module(f"steelyard.cli.{name.replace('-', '_')}_command")


@contextmanager
def _frozen_imports() -> Iterator[None]:
    """Wraps imports: their objects live on, so they are frozen and the garbage collector never scans them."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
