"""The page's numbers and words: every evaluation, every metric, sample trajectories, settings, how to run it again."""

import json
import shlex
from itertools import zip_longest

from steelyard.report.blocks import Sample, Section, Table
from steelyard.report.format import flatten, is_number, number, percent
from steelyard.report.measures import OWN, PASS_AT, attempts_of
from steelyard.report.records import Row, RunRecords

LONG_TABLE = 12
MAX_SAMPLES = 4
MAX_CHARACTERS = 4000
MAX_READING = 120

COLUMNS = {
    "eval/accuracy": ("accuracy", percent), "eval/accuracy_low": ("95% from", percent),
    "eval/accuracy_high": ("to", percent), "eval/prompts": ("prompts", number),
    "eval/verifier_accuracy": ("by the verifier", percent),
    "eval/total_variation": ("total variation", number), "eval/kl": ("KL", number),
    "eval/log_z_error": ("log Z error", number), "eval/reward_mean": ("reward", number),
    "eval/distinct_correct": ("distinct correct", number), "eval/length_mean": ("tokens", number),
    "eval/length_stopped": ("tokens if ended", number), "eval/truncated": ("truncated", percent),
    "eval/reflection": ("reflection", percent), "eval/errors": ("errors", number), **OWN,
}  # fmt: skip


def evaluations(run: RunRecords) -> Section | None:
    """Every evaluation, one row each."""
    if not run.evals:
        return None
    seconds = {0: 0.0} | {row.get("step"): row.get("seconds") for row in run.timing} if run.timing else {}
    keys = dict.fromkeys(key for row in run.evals for key in row)
    tries = {f"{PASS_AT}{k}": (f"pass@{k}", percent) for k in attempts_of(run.evals)}
    columns = {key: look for key, look in (COLUMNS | tries).items() if key in keys}
    head = ["step", *(["seconds"] if seconds else []), *(name for name, _ in columns.values())]
    rows = [
        [
            row.get("step", "?"),
            *([number(seconds.get(row.get("step")))] if seconds else []),
            *(write(row.get(key)) for key, (_, write) in columns.items()),
        ]
        for row in run.evals
    ]
    caption = "Measured on held-out prompts. Verifier errors are counted, never scored 0."
    folded = f"All {len(rows)} evaluations" if len(rows) > LONG_TABLE else ""
    return Section("evaluations", "Every evaluation", tables=[Table(head, rows, caption, folded=folded)])


def metrics(run: RunRecords) -> Section | None:
    """Every number that the run recorded: first, last, lowest and highest."""
    rows = []
    for kind in (run.metrics, run.timing, run.evals):
        for key in dict.fromkeys(key for row in kind for key in row if key not in ("step", "version")):
            values = [row[key] for row in kind if is_number(row.get(key))]
            if values:
                rows.append([key, *map(number, (values[0], values[-1], min(values), max(values)))])
    if not rows:
        return None
    head = ["name", "first", "last", "lowest", "highest"]
    numbers = Table(head, rows, "Over the whole run.", folded=f"{len(rows)} numbers")
    return Section("numbers", "All recorded numbers", tables=[numbers])


def samples(run: RunRecords) -> Section | None:
    """Trajectories from the start and the end of the run, side by side."""
    steps = [row.get("step") for row in run.samples]
    if not steps:
        return None
    early = [row for row in run.samples if row.get("step") == steps[0]][:MAX_SAMPLES]
    late = [row for row in run.samples if row.get("step") == steps[-1]][:MAX_SAMPLES] if steps[-1] != steps[0] else []
    shown = [_sample(row) for pair in zip_longest(early, late) for row in pair if row is not None]
    return Section("samples", "Sample trajectories", samples=shown)


def settings(run: RunRecords) -> Section:
    """The settings as resolved."""
    rows = [[name, _plain(value)] for name, value in flatten(run.config.get("run") or {})]
    caption = "As resolved when the run began; config.json holds the same."
    values = Table(["setting", "value"], rows, caption, of="words", folded=f"{len(rows)} settings")
    return Section("settings", "Settings", tables=[values])


def reproduce(run: RunRecords) -> Section:
    """The command that runs it again."""
    config = run.config
    command = shlex.join(map(str, config.get("command") or ["steelyard", "train", config["recipe"]]))
    lines = [f"git checkout {shlex.quote(str(config['commit']))}"] if config.get("commit") else []
    version = f"Steelyard {config['version']}. " if config.get("version") else ""
    note = f"{version}The table above has every setting as it was resolved."
    return Section("reproduce", "Run it again", commands="\n".join([*lines, command]), note=note)


WORDS = (evaluations, samples, metrics, settings, reproduce)


def _sample(row: Row) -> Sample:
    facts = [f"step {_plain(row.get('step'))}", f"reward {number(row.get('reward'))}", *_judged(row)]
    facts += [f"{name} {_plain(row[name])}" for name in ("version", "staleness", "style") if row.get(name) is not None]
    return Sample(" · ".join(facts), _cut(row.get("prompt", "")), _cut(_said(row)))


def _judged(row: Row) -> list[str]:
    """What stands beside the reward: the answer that was read, the parts of a sum, and what failed."""
    facts = []
    if row.get("read") is not None:
        place = f" ({row['read_from']})" if row.get("read_from") else ""
        facts.append(f"read as the answer: {_short(row['read'])}{place}")
    parts = row.get("parts")
    if isinstance(parts, dict):
        facts += [f"{name} {number(value)}" for name, value in parts.items()]
    return facts if row.get("error") is None else [*facts, f"error: {_short(row['error'])}"]


def _short(value: object) -> str:
    """A value on one line, without what a long one has beyond `MAX_READING` characters."""
    line = " ".join(_plain(value).split())
    return line if len(line) <= MAX_READING else f"{line[:MAX_READING]}…"


def _said(row: Row) -> object:
    """The completion; an episode of several turns has a line for each turn and for each answer of its environment."""
    turns = row.get("turns") or []
    lines = [f"{turn.get('by')}: {turn.get('text')}" for turn in turns]
    return "\n".join(lines) if len(lines) > 1 else row.get("completion", "")


def _cut(text: object) -> str:
    whole = _plain(text)
    more = len(whole) - MAX_CHARACTERS
    return whole if more <= 0 else f"{whole[:MAX_CHARACTERS]}… ({more:,} more characters)"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
