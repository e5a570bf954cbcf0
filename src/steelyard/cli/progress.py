"""Progress of a run on standard error: a live line on a terminal, plain lines elsewhere.

Style names come from the model's output, and a title may contain a path. Both are printed as literal text: neither rich
nor the terminal interprets them.
"""

import math
import sys
import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from steelyard.cli.sanitize import plain
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.report.measures import headline_of, own

_WAITING_EVERY = 10.0  # seconds between lines about what a process waits for
_PLAIN_EVERY = 5.0  # seconds between plain lines; each evaluation also prints one


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
            Live(console=self.console, auto_refresh=False, transient=True) if self.console.is_terminal else None
        )
        self._latest: JsonObject = {}
        self._printed = time.monotonic()
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
            self._say(self._title)
            self._title = ""
        if file in ("samples", "events"):
            return
        if file == "begin":
            self.max_steps = row["steps"]
            return
        if file == "waiting":
            self._wait(row)
            return
        if file == "data":
            for what, number in row["notes"].items():
                self._say(f"  data: {number:,} {what}")
            return
        if file == "faults":
            self.console.print(self._fault(row), highlight=False, markup=False, soft_wrap=True)
            return
        self._latest.update(row)
        if file == "eval":
            self._say(self._evaluation(row))
        elif self._live is not None:
            self._live.update(self._table(), refresh=True)
        elif file == "metrics" and time.monotonic() - self._printed > _PLAIN_EVERY:
            self._printed = time.monotonic()
            self._say(" ".join(f"{k} {v}" for k, v in self._facts().items()))

    def _say(self, line: str) -> None:
        self.console.print(plain(line), highlight=False, markup=False, emoji=False, soft_wrap=True)

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
            low = row["eval/accuracy_low"]
            high = row["eval/accuracy_high"]
            text += f"  accuracy {row['eval/accuracy']:.1%} [{low:.1%}, {high:.1%}]"
        if "eval/verifier_accuracy" in row:
            text += f"  reward {row.get('eval/reward_mean', math.nan):.4g}"
            text += f"  by the task's verifier {row['eval/verifier_accuracy']:.1%}"
        if "eval/length_mean" in row:
            text += f"  length {row['eval/length_mean']:.1f}  distinct right answers {row['eval/distinct_correct']:.1f}"
        text += "".join(f"  {name} {value}" for name, value in own(row).items())
        styles = row.get("eval/correct_styles") or {}
        return text + "".join(f"  {name} {share:.0%}" for name, share in styles.items())

    def _facts(self) -> dict[str, str]:
        row = self._latest
        facts = {"step": f"{row['step']}/{self.max_steps}"}
        named = {
            "reward": "search/reward_mean",
            "loss": "learner/loss",
            "length": "batch/length_mean",
            "staleness": "batch/staleness_mean",
            "stored": "replay/size",
            "steps/s": "steps_per_s",
            "completions/s": "completions_per_s",
        }
        return facts | {name: f"{row[key]:.4g}" for name, key in named.items() if row.get(key) is not None}

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2))
        facts = self._facts()
        for name in facts:
            table.add_column(name, justify="right")
        table.add_row(*facts.values())
        return table


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
