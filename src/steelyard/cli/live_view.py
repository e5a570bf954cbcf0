"""The live view of a run in a terminal: a few lines that are drawn anew in their place, none wider than the terminal.

It is drawn at most `PER_SECOND` times a second, and only when a row came: a run's own process draws it.
"""

from collections.abc import Mapping, Sequence

from rich.text import Text

from steelyard.cli.sanitize import plain
from steelyard.core.json import JsonMapping
from steelyard.report.format import duration, number, percent
from steelyard.report.run_pace import Pace
from steelyard.report.waits import Bottleneck

PER_SECOND = 2
NARROWEST = 60
"""Columns below which plain lines are printed instead."""
_BAR = 24
_FOUND = (("{} tokens/s", "searcher_tokens_per_s"), ("{} completions/s", "completions_per_s"))
_LEARNED = (("{} tokens/s", "learner_tokens_per_s"), ("{} steps/s", "steps_per_s"))
_STORED = (("{} stored", "replay/size"), ("{} prompts", "replay/prompts"), ("{} admitted", "replay/admitted"),
           ("{} evicted", "replay/evicted"), ("{} used", "replay/used"), ("{} refused", "replay/refused"))  # fmt: skip


def live_view(
    facts: Mapping[str, str],
    row: JsonMapping,
    pace: Pace | None,
    *,
    steps: int | None,
    sample: str,
    warned: Sequence[str],
    width: int,
) -> Text:
    """The view, as lines.

    Args:
        facts: name -> number, of the latest step.
        row: the latest rows, together.
        pace: of the last half minute, where it is known.
        steps: learner steps of the run, where it is known.
        sample: the newest sample, in one line; empty where there is none.
        warned: gauges that are beyond their bounds, a line each.
        width: of the terminal.
    """
    told = {
        "learning": "  ".join(f"{name} {value}" for name, value in facts.items() if name != "stored"),
        "searchers": _side(pace, _FOUND, None if pace is None else pace.searcher_idle),
        "learner": _side(pace, _LEARNED, None if pace is None else pace.learner_idle),
        "buffer": ", ".join(text.format(number(row[key])) for text, key in _STORED if row.get(key)),
        "under way": "" if pace is None else pace.flow,
        "waiting": waiting(pace),
        "sample": sample,
    }
    lines = [_step(row["step"], steps, pace)]
    lines += [Text.assemble(_name(name), shown) for name, shown in told.items() if shown]
    lines += [Text.assemble(_name("warning"), (text, "yellow")) for text in warned]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return Text("\n").join(lines)


def _name(name: str) -> tuple[str, str]:
    return f"  {name:<9}  ", "cyan"


def _step(step: int, steps: int | None, pace: Pace | None) -> Text:
    if not steps:
        return Text.assemble(_name("step"), str(step))
    done = round(_BAR * min(step, steps) / steps)
    bar = ("━" * done, "magenta"), ("─" * (_BAR - done), "dim")
    return Text.assemble(
        _name("step"), f"{step}/{steps} ", *bar, f" {step / steps:.0%}  {time_left(step, steps, pace)}"
    )


def time_left(step: int, steps: int, pace: Pace | None) -> str:
    """How long the rest takes at the present speed; empty where that is not known."""
    seconds = None if pace is None else pace.seconds_left(step, steps)
    return "" if seconds is None else f"{duration(round(seconds))} left"


def _side(pace: Pace | None, rates: tuple[tuple[str, str], ...], idle: float | None) -> str:
    known = [text.format(number(rate)) for text, key in rates if (rate := getattr(pace, key, None)) is not None]
    return ", ".join([*known, *([] if idle is None else [f"idle {percent(idle)}"])])


def waiting(pace: Pace | None) -> str:
    """Who waits for whom, for how much of the time, and what would help; empty where nobody measured it."""
    if pace is None or pace.learner_idle is None or pace.searcher_idle is None:
        return ""
    share = percent(max(pace.learner_idle, pace.searcher_idle))
    return _WORDS[pace.bottleneck].format(share)


_WORDS: Mapping[Bottleneck | None, str] = {
    "searchers": "learner waits for searchers {}: try more --num-searchers",
    "learner": "searchers wait for learner {}: try a higher --max-staleness",
    "driver": "all wait for the driver, {}: try fewer --num-searchers, or longer completions",
    None: "neither side waits for long",
}


def sample_line(row: JsonMapping) -> str:
    """A sample in one line, safe to print: the end of its prompt, and the begin of its completion."""
    prompt = plain(str(row.get("prompt", ""))[-_PROMPT - 1 :])
    prompt = f"…{prompt[1:]}" if len(prompt) > _PROMPT else prompt
    return f"reward {number(row.get('reward'))}: {prompt} -> {plain(str(row.get('completion', ''))[:_COMPLETION])}"


_PROMPT = 32
"""Characters of a sample's prompt that are shown."""
_COMPLETION = 200
