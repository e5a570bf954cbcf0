"""A replay buffer as text: a headline, three histograms, and prompts with their best and worst completions.

Prompts, completions and filters are untrusted text, so all of them go through `plain`.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from steelyard.cli.sanitize import plain
from steelyard.core import Trajectory
from steelyard.replay.inspect import Bar, PromptSummary, Spread, Summary

Decode = Callable[[np.ndarray], str]
"""Tokens to text."""
_BAR = 40


def prompt_of(trajectory: Trajectory, decode: Decode) -> str:
    """The text before the first token that the policy chose."""
    acted = np.flatnonzero(trajectory.action_T)
    return decode(trajectory.tokens_T[: acted[0] if len(acted) else None])


def completion_of(trajectory: Trajectory, decode: Decode) -> str:
    """The text that the policy wrote."""
    return decode(trajectory.completion_T)


def show(summary: Summary, prompts: Sequence[PromptSummary], where: str | None, decode: Decode) -> None:
    """Print the summary and the prompts on standard output."""
    console = Console(highlight=False)
    for line in _headline(summary, where):
        console.print(line, soft_wrap=True)
    for title, table in _tables(summary, prompts, decode):
        console.print(f"\n{title}", soft_wrap=True)
        console.print(table)


def _headline(summary: Summary, where: str | None) -> Iterator[str]:
    shown = "" if where is None else f" where {escape(plain(where))}"
    counts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in summary.counts.items() if value)
    yield f"{summary.live} trajectories of {summary.prompts} prompts{shown}"
    yield (
        f"total: {counts or 'nothing yet'}; {summary.published} weight versions, the newest is "
        f"{summary.newest_version}; {_size(summary.num_bytes)}"
    )
    if summary.removed:
        yield f"{summary.removed} removed trajectories are still in the file, because a checkpoint may go back to them"


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 2**20:.1f} MiB" if num_bytes >= 2**20 else f"{num_bytes / 2**10:.0f} KiB"


def _tables(summary: Summary, prompts: Sequence[PromptSummary], decode: Decode) -> Iterator[tuple[str, Table]]:
    """Pairs of a title and its table."""
    for name, spread, span in (
        ("reward", summary.reward, _span),
        ("weight version", summary.version, _whole_span),
        ("length (tokens)", summary.length, _whole_span),
    ):
        if spread is not None:
            yield f"{name}: {spread.low:g} to {spread.high:g}, mean {spread.mean:.4g}", _histogram(spread, span)
    for prompt in prompts:
        yield f"{escape(plain(_name(prompt, decode)))}: {_facts(prompt)}", _completions(prompt, decode)


def _histogram(spread: Spread, span: Callable[[Bar, bool], str]) -> Table:
    table = Table(box=None, show_header=False)
    for justify in ("right", "right", "left"):
        table.add_column(justify=justify)
    most = max(bar.count for bar in spread.histogram)
    last = spread.histogram[-1]
    for bar in spread.histogram:
        table.add_row(span(bar, bar is last), str(bar.count), "█" * -(-_BAR * bar.count // most))
    return table


def _span(bar: Bar, last: bool) -> str:
    return f"{bar.low:g}" if bar.low == bar.high else f"{bar.low:.4g} to {bar.high:.4g}"


def _whole_span(bar: Bar, last: bool) -> str:
    """The whole numbers in [low, high); the last bar includes `high`."""
    low = math.ceil(bar.low)
    high = math.floor(bar.high) if last else math.ceil(bar.high) - 1
    return f"{low}" if high <= low else f"{low} to {high}"


def _completions(prompt: PromptSummary, decode: Decode) -> Table:
    shown = [(name, t) for name, rows in (("best", prompt.top), ("worst", prompt.worst)) for t in rows]
    read = any("read" in t.info for _, t in shown)  # not every verifier compares answers
    table = Table("", "reward", *(["read as the answer"] if read else []), "version", "sample", "completion", box=None)
    for name, t in shown:
        answer = [escape(plain(str(t.info.get("read", "-"))))] if read else []
        text = escape(plain(completion_of(t, decode)))
        table.add_row(name, f"{t.reward:g}", *answer, _versions(t), str(t.sample), text)
    return table


def _versions(trajectory: Trajectory) -> str:
    """The version that sampled it, or the first and the last version if there were several."""
    first = trajectory.version
    mixed_T = trajectory.version_T
    last = first if mixed_T is None else int(mixed_T.max(initial=first))
    return f"{first}" if last == first else f"{first} to {last}"


def _name(prompt: PromptSummary, decode: Decode) -> str:
    """The prompt's text if a trajectory is shown, followed by its id if that differs from the text."""
    shown = [*prompt.top, *prompt.worst]
    text = prompt_of(shown[0], decode) if shown else prompt.prompt
    return text if text == prompt.prompt else f"{text} ({prompt.prompt})"


def _facts(prompt: PromptSummary) -> str:
    if prompt.mean is None:
        return f"{prompt.count} trajectories, no reward"
    return f"{prompt.count} trajectories, reward {prompt.low:g} to {prompt.high:g}, mean {prompt.mean:.3g}"
