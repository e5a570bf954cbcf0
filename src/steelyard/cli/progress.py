"""Progress of a run on standard error: a live view on a terminal, plain lines elsewhere.

Elsewhere is a pipe or a file, a terminal that cannot move its cursor or is too narrow, and one whose reader asks for
plain text by NO_COLOR.

Style names come from the model's output, and a title may contain a path. Both are printed as literal text: neither rich
nor the terminal interprets them.
"""

import math
import os
import sys
import time
from collections import deque
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live

from steelyard.cli.live_view import NARROWEST, PER_SECOND, live_view, sample_line, time_left, waiting
from steelyard.cli.sanitize import plain
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.report.folding import fold
from steelyard.report.format import number
from steelyard.report.gauges import LOOK_BACK, warnings
from steelyard.report.measures import headline_of, own
from steelyard.report.run_pace import RunPace

_WAITING_EVERY = 10.0  # seconds between lines about what a process waits for
_PLAIN_EVERY = 5.0  # seconds between plain lines; each evaluation also prints one
_PACE_EVERY = 4  # plain lines of which one is followed by a line about speed


class Progress:
    """Shows a run's record rows as they are written. A context manager; pass `watch` to `train`.

    Args:
        max_steps: learner steps of the run; None where a row `begin` says it.
        title: printed above the first row.
        console: where to print; by default standard error.
    """

    def __init__(self, max_steps: int | None, title: str = "", console: Console | None = None) -> None:
        self.max_steps = max_steps
        self._title = title
        self.console = console or Console(file=sys.stderr)
        self._live = (
            Live(console=self.console, auto_refresh=False, transient=True) if _can_redraw(self.console) else None
        )
        self._latest: JsonObject = {}
        self._pace = RunPace()
        self._rows: deque[JsonMapping] = deque(maxlen=LOOK_BACK)
        """The last rows of metrics."""
        self._warned: set[str] = set()
        """What plain lines have warned of, by what to change."""
        self._sample = ""
        self._printed = time.monotonic()
        self._lines = 0
        self._drawn = -math.inf
        self._told: dict[str, float] = {}
        """Process -> the seconds of its wait that were told last."""

    def __enter__(self) -> "Progress":
        if self._live is not None:
            self._live.start()
            self._live.update("loading the model ...", refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def watch(self, file: str, row: JsonMapping) -> None:
        """Show a row of a record file."""
        if self._title:  # printed late, so that a run that cannot start prints only its error
            for line in self._title.split("\n"):
                self._say(line)
            self._title = ""
        if file == "samples":
            self._sample = sample_line(row)
            return
        if file == "begin":
            self.max_steps = row["steps"]
            return
        if file == "waiting":
            self._wait(row)
            return
        if file == "data":
            for what, count in row["notes"].items():
                self._say(f"  data: {count:,} {what}")
            return
        if file == "faults":
            for line in self._fault(row).split("\n"):
                self._say(line)
            return
        if file in ("metrics", "timing", "eval"):
            self._step(file, row, time.monotonic())

    def _step(self, file: str, row: JsonMapping, now: float) -> None:
        """Show numbers of a step: in the live view, by a line of its own for an evaluation, and else now and then."""
        self._latest.update(row)
        self._pace.take(file, row, now)
        if file == "metrics":
            self._rows.append(row)
        if file == "eval":
            self._say(self._evaluation(row))
        elif self._live is not None:
            self._redraw(self._live, now)
        elif file == "metrics" and now - self._printed > _PLAIN_EVERY:
            self._printed = now
            self._plain_lines()

    def _redraw(self, live: Live, now: float) -> None:
        last = self._latest["step"] == self.max_steps
        if now - self._drawn < 1 / PER_SECOND and not last:
            return
        self._drawn = now
        pace = self._pace.pace()
        warned = [found.short for found in warnings([*self._rows])]
        known = {"steps": self.max_steps, "sample": self._sample, "warned": warned, "width": self.console.width}
        live.update(live_view(self._facts(), self._latest, pace, **known), refresh=True)

    def _plain_lines(self) -> None:
        """A line about the step, now and then one about speed, and one about a gauge that is first beyond its bound."""
        row = self._latest
        pace = self._pace.pace()
        left = "" if self.max_steps is None else time_left(row["step"], self.max_steps, pace)
        facts = [f"{name} {value}" for name, value in self._facts().items()]
        self._say(" ".join(filter(None, [f"step {row['step']}/{self.max_steps}", *facts, left])))
        self._lines += 1
        for found in warnings([*self._rows]):
            if found.change not in self._warned:
                self._warned.add(found.change)
                self._say(f"  warning: {found}")
        if pace is not None and self._lines % _PACE_EVERY == 0:
            rates = {"searchers": pace.searcher_tokens_per_s, "learner": pace.learner_tokens_per_s}
            known = [f"{who} {number(round(rate))}" for who, rate in rates.items() if rate is not None]
            told = [
                f"tokens/s: {', '.join(known)}" if known else "",
                pace.flow and f"under way: {pace.flow}",
                waiting(pace),
            ]
            self._say("  " + "; ".join(filter(None, told)))

    def _say(self, line: str) -> None:
        line = plain(line)
        line = fold(line, self.console.width) if self.console.is_terminal else line
        self.console.print(line, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def _wait(self, row: JsonMapping) -> None:
        """A line every so often about a process that waits for long."""
        who, seconds = str(row["who"]), float(row["seconds"])
        told = self._told.get(who, 0.0)
        told = 0.0 if seconds < told else told  # another wait
        if seconds - told >= _WAITING_EVERY:
            self._say(f"  {who}: {row['what']}, {seconds:.0f} s")
            told = seconds
        self._told[who] = told

    def _fault(self, row: JsonMapping) -> str:
        again = "" if row["again_in"] is None else f"; started again in {row['again_in']:.1f} s"
        return f"  {row['who']}: {row['why']}{again}"

    def _evaluation(self, row: JsonMapping) -> str:
        text = f"  step {row['step']:>4}"
        if "eval/total_variation" in row:
            far = row["eval/total_variation"]
            error = row["eval/log_z_error"]
            return f"{text}  total variation to pi* {far:.4f}  log Z error {error:.4f}"
        headline = headline_of([row])
        if headline is not None and headline[0] == "eval/accuracy":  # an attacker's one greedy attack says little
            text += f"  accuracy {row['eval/accuracy']:.1%}"
            if "eval/accuracy_low" in row:
                text += f" [{row['eval/accuracy_low']:.1%}, {row['eval/accuracy_high']:.1%}]"
        if "eval/verifier_accuracy" in row:
            text += f"  reward {row.get('eval/reward_mean', math.nan):.4g}"
            text += f"  by the task's verifier {row['eval/verifier_accuracy']:.1%}"
        if "eval/length_mean" in row:
            text += f"  length {row['eval/length_mean']:.1f}  distinct right answers {row['eval/distinct_correct']:.1f}"
        text += "".join(f"  {name} {value}" for name, value in own(row).items())
        styles = row.get("eval/correct_styles") or {}
        return text + "".join(f"  {name} {share:.0%}" for name, share in styles.items())

    def _facts(self) -> dict[str, str]:
        named = {
            "reward": "search/reward_mean",
            "loss": "learner/loss",
            "length": "batch/length_mean",
            "staleness": "batch/staleness_mean",
            "ess": "learner/ess",
            "stored": "replay/size",
        }
        row = self._latest
        return {name: f"{row[key]:.4g}" for name, key in named.items() if row.get(key) is not None}


def _can_redraw(console: Console) -> bool:
    """Whether the terminal can draw a view anew in its place, and its reader wants that."""
    plainly = console.is_dumb_terminal or bool(os.environ.get("NO_COLOR"))
    return console.is_terminal and not plainly and console.width >= NARROWEST


class StageProgress:
    """Shows the rows of a pipeline: each stage as a run of its own. A context manager; pass `watch` to `train`.

    Args:
        what: the words after `steelyard train`, for the titles.
        console: where to print; by default standard error.
    """

    def __init__(self, what: str, console: Console | None = None) -> None:
        self._what = what
        self._console = console
        self._stage: Progress | None = None

    def __enter__(self) -> "StageProgress":
        return self

    def __exit__(self, *raised: Any) -> None:
        self._end(*raised)

    def watch(self, file: str, row: JsonMapping) -> None:
        """Show a row of a record file, or begin with another stage."""
        if file == "stage":
            self._end(None, None, None)
            title = f"steelyard train {self._what}: stage {row['number']} of {row['of']}, {row['name']}: {row['title']}"
            self._stage = Progress(row["steps"], title, self._console)
            self._stage.__enter__()
        elif self._stage is not None:
            self._stage.watch(file, row)

    def _end(self, *raised: Any) -> None:
        if self._stage is not None:
            self._stage.__exit__(*raised)
            self._stage = None
