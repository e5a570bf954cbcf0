"""`steelyard score RECIPE --completions FILE`: try a verifier on completions of a file, before any training."""

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from steelyard.cli.flags import choose, gather_rewards, parse, take_values
from steelyard.cli.sanitize import plain
from steelyard.core import SteelyardError
from steelyard.eval.written import Scored, read_written, score_written
from steelyard.recipes import load, summaries
from steelyard.reward import Closable
from steelyard.runtime import Run
from steelyard.runtime.factories import make_reward, make_task, verified
from steelyard.searcher.scoring import scorer_name

PURPOSE = (
    "Try a recipe's verifier, or a --reward of your own, on completions that stand in a file: what each one earns,\n"
    "what was read as its answer and from where. Nothing is trained and no policy is loaded.\n\n"
    "--completions FILE   JSONL or Parquet, one row for each: prompt, completion, and the columns that the verifier\n"
    "                     needs, such as answer; optionally finish, stop or length. A prompt of the recipe's own task\n"
    "                     needs no columns.\n"
    "--rows N             rows of the table to show, 20 by default"
)
_WIDTH = 48


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Print a table of the first rows, and a line about all of them."""
    known = summaries()
    name = choose(words, known, command="score", what="RECIPE", purpose=PURPOSE)
    given, rest = take_values(words[1:], "--completions", "--rows")
    options = dict(given)
    settings = parse(
        Run,
        gather_rewards(rest),
        command=f"score {name}",
        default=load(name),
        description=f"{PURPOSE}\n\n{known[name]}",
    )
    if "--completions" not in options:
        hint = f"write steelyard score {name} --completions FILE"
        raise SteelyardError("names no file", where="--completions", hint=hint)
    shown = _count(options.get("--rows", "20"))
    settings = verified(settings)
    task = make_task(settings)
    reward = make_reward(settings)
    lookup = reward is None or getattr(settings.task, "fetches", None) is None
    try:
        found = score_written(
            read_written(options["--completions"], settings.task, lookup=lookup), settings.task, reward
        )
    finally:
        for part in (settings.task, reward):
            if isinstance(part, Closable):
                part.close()
    scorer = scorer_name(task.score)
    _show(found[:shown], _summary(found, scorer))
    rows = [row.row() for row in found]
    return {"recipe": name, "scorer": scorer, "rewards": [row.reward for row in found], "rows": rows}


def _count(word: str) -> int:
    if not word.isdecimal() or len(word) > 9:
        raise SteelyardError(f"is {word!r}", where="--rows", hint="give a whole number")
    return int(word)


def _summary(found: Sequence[Scored], scorer: str) -> str:
    rewards = [row.reward for row in found if row.reward is not None]
    seconds = sum(row.seconds for row in found)
    mean = f"reward mean {sum(rewards) / len(rewards):.4g}, " if rewards else ""
    unread = sum(row.score.read is None for row in found)
    failed = len(found) - len(rewards)
    each = 1000 * seconds / len(found)
    return (
        f"{len(found)} completions by {scorer}: {mean}{failed} without a reward, no answer read in {unread}; "
        f"{seconds:.1f} s, {each:.2g} ms each"
    )


def _show(found: Sequence[Scored], summary: str) -> None:
    table = Table("row", "reward", "read as the answer", "from", "end of the completion", box=None)
    for number, row in enumerate(found, start=1):
        said = row.row()
        reward = f"{row.reward:g}" if row.reward is not None else "-"
        read = f"error: {row.error}" if row.error is not None else "-" if said["read"] is None else str(said["read"])
        end = row.written.episode.completion[-_WIDTH:]
        table.add_row(str(number), reward, _line(read), _line(said["read_from"]), _line(end))
    console = Console(highlight=False)
    console.print(table)
    print(plain(summary), file=sys.stderr)


def _line(text: str) -> str:
    line = " ".join(plain(text).split())
    return escape(line if len(line) <= 2 * _WIDTH else f"{line[: 2 * _WIDTH]}...")
