"""The live page: how long its answers take over a full buffer, and how much it slows a run down.

A made-up run with a buffer of trajectories of 300 tokens, ten of a prompt, is served by `steelyard watch`; each kind of
question is asked one after another over one connection, with filters, places and texts that a seed draws, and the time
to the whole answer is kept. What is done once comes before: the prompts are read, and every kind is asked once; the
views of curves and buffer are made anew only when they are due, so most of their answers were made before. Then
inline runs of a recipe, the same in each pair, are timed over the last three quarters of their steps, alone and beside
a page whose curves and buffer are asked for whenever the page says that they are due, as an open browser does; which of
the two comes first changes from pair to pair. On a noisy machine the pairs cannot tell a per cent; the processor time
that the page's process used meanwhile can. What a browser takes to draw is not in it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steelyard.core import PositiveInt, checked
from steelyard.experiments.bench.measuring import ratios, seconds
from steelyard.experiments.bench.record import Row
from steelyard.experiments.bench.watch_work import Client, make_run, served, train
from steelyard.experiments.harness.spread import fixed, spread
from steelyard.replay.browse import ORDERS

TITLE = "The live page: seconds of an answer, and of a run beside it"
_ALONE, _LOOKED_AT = "run, alone", "run, its page open"
_SERVING = "processor time of the page"


@checked()
@dataclass(frozen=True)
class Watch:
    """Answers of the live page, and what it costs a run."""

    rows: PositiveInt = 100_000
    """Trajectories in the buffer."""
    tokens: PositiveInt = 300
    """Tokens of each."""
    requests: PositiveInt = 200
    """Requests of each kind."""
    pairs: PositiveInt = 5
    """Runs alone and beside an open page."""
    steps: PositiveInt = 800
    """Learner steps of a run."""
    recipe: str = "arithmetic"
    """What is trained."""


def measure(settings: Watch, workdir: Path, say: Callable[[str], None]) -> list[Row]:
    """A row for each kind of question, with the seconds of every answer, and one for each side of the pairs."""
    run = make_run(workdir / "run", settings.rows, settings.tokens)
    found: dict[str, list[float]] = {}
    with served(run) as client:
        while client.ask("runs/0/rows", prompt="1")["unread"]:
            pass
        newest = int(client.ask("runs/0/rows")["newest"])
        for what, works in _questions(client, settings, newest).items():
            next(works)()
            found[what] = [seconds(next(works)) for _ in range(settings.requests)]
            say(f"{what}: p95 {1e3 * float(np.percentile(found[what], 95)):.0f} ms")
    found |= _pairs(settings, workdir, say)
    return [{"what": what, "seconds": values} for what, values in found.items()]


def _questions(client: Client, settings: Watch, newest: int) -> dict[str, Iterator[Callable[[], object]]]:
    """Kind -> questions of this kind without end."""
    rng = np.random.default_rng(0)

    def endless(make: Callable[[], tuple[str, dict[str, object]]]) -> Iterator[Callable[[], object]]:
        while True:
            path, query = make()
            yield lambda path=path, query=query: client.ask(path, **query)

    def rows(**query: object) -> tuple[str, dict[str, object]]:
        return "runs/0/rows", query

    def digits(count: int) -> str:
        return "".join(map(str, rng.integers(0, 10, count)))

    return {
        "the newest 50": endless(rows),
        "50 at any place": endless(lambda: rows(offset=int(rng.integers(settings.rows)))),
        "50 in any order": endless(lambda: rows(order=str(rng.choice(ORDERS)))),
        "50 above a reward": endless(lambda: rows(reward_low=float(rng.random()), order="reward-low")),
        "50 of a range of versions": endless(lambda: rows(version_low=int(rng.integers(settings.rows // 256 + 1)))),
        "50 by prompt": endless(lambda: rows(prompt=digits(3))),
        "search, one answer": endless(lambda: rows(text=digits(6))),
        "one trajectory": endless(lambda: (f"runs/0/rows/{int(rng.integers(1, newest + 1))}", {})),
        "the buffer": endless(lambda: ("runs/0/buffer", {})),
        "the curves": endless(lambda: ("curves", {})),
    }


def _pairs(settings: Watch, workdir: Path, say: Callable[[str], None]) -> dict[str, list[float]]:
    """The runs; A B, B A, A B, ..."""
    found: dict[str, list[float]] = {_ALONE: [], _LOOKED_AT: [], _SERVING: []}
    for pair in range(settings.pairs):
        for what in (_ALONE, _LOOKED_AT) if pair % 2 == 0 else (_LOOKED_AT, _ALONE):
            place = workdir / f"pair-{pair}-{'alone' if what == _ALONE else 'open'}"
            took, used = train(settings.recipe, settings.steps, place, what == _LOOKED_AT)
            found[what].append(took)
            if what == _LOOKED_AT:
                found[_SERVING].append(used)
            say(f"{what}: {found[what][-1]:.2f} s")
    return found


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """A line for each kind of question with p50 and p95, one for each side of the pairs, and how much slower it is."""
    found = {row["what"]: row["seconds"] for row in rows}
    sides = {what: found.pop(what) for what in (_ALONE, _LOOKED_AT)}
    used = [100 * share for share in ratios(found.pop(_SERVING), sides[_LOOKED_AT])]
    lines = [[what, *(f"{1e3 * q:.1f} ms" for q in np.percentile(values, [50, 95]))] for what, values in found.items()]
    lines += [[f"{what}, s: median [lowest, highest]", spread(values, fixed(2)), ""] for what, values in sides.items()]
    slower = [100 * (ratio - 1) for ratio in ratios(sides[_LOOKED_AT], sides[_ALONE])]
    lines.append(["slower by, %, pair by pair", spread(slower, fixed(1, signed=True)), ""])
    lines.append([f"{_SERVING}, % of one core", spread(used, fixed(2)), ""])
    return ["", "p50", "p95"], lines
