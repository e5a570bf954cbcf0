"""The command line: `steelyard COMMAND`. Each command is a module here; none is imported before it is asked for."""

import importlib
import json
import sys
from collections.abc import Sequence
from types import ModuleType

from steelyard.core.errors import SteelyardError, suggest

COMMANDS = {
    "train": "post-train a model with a recipe",
    "eval": "measure a run's model, or any model, on held-out prompts",
    "sample": "show completions of a run's model",
    "report": "write a run's page again from its records",
    "methods": "list what is registered, or explain one method",
    "warmstart": "make a shipped base model again",
    "study": "run the measured claims: several runs side by side",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 2 for a mistake the user can mend, 130 after Ctrl-C."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if arguments[0] == "--version":
        from steelyard import __version__

        print(f"steelyard {__version__}")
        return 0
    debug = "--debug" in arguments
    try:
        answer = _command(arguments[0]).run([a for a in arguments[1:] if a not in ("--debug", "--json")])
    except SteelyardError as error:
        if debug:
            raise
        print(f"steelyard: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("steelyard: stopped by Ctrl-C", file=sys.stderr)
        return 130
    if "--json" in arguments and answer is not None:
        print(json.dumps(answer))
    return 0


def overview() -> str:
    """The text of `steelyard --help`."""
    rows = "\n".join(f"  {name:<10} {text}" for name, text in COMMANDS.items())
    return (
        "steelyard: post-train language models off-policy, by trajectory balance with asynchrony\n\n"
        f"commands:\n{rows}\n\n"
        "steelyard COMMAND --help explains one. Every command takes --json (one JSON object, last on standard output)\n"
        "and --debug (the traceback behind an error). To begin: steelyard train arithmetic"
    )


def _command(name: str) -> ModuleType:
    if name not in COMMANDS:
        raise SteelyardError(f"unknown command {name!r}", where="steelyard", mend=suggest(name, COMMANDS))
    return importlib.import_module(f"steelyard.cli.{name}_command")
