"""`steelyard train RECIPE`: post-train a model, or carry out a job on given data, and show the progress."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from steelyard.cli.chosen import CURRICULUM, chosen_parts, take_id, take_rule
from steelyard.cli.flags import choose, gather_rewards, parse, take_flags
from steelyard.cli.progress import Progress
from steelyard.cli.sanitize import plain
from steelyard.cli.stops import gather_stops
from steelyard.core import require
from steelyard.core.job import Job
from steelyard.core.json import JsonMapping
from steelyard.policy.meta_model import slow_generation
from steelyard.recipes import find, summaries
from steelyard.report import curve_text, read_run
from steelyard.report.measures import change
from steelyard.runtime import Run
from steelyard.training import Result, resume, train
from steelyard.training.plan import plan
from steelyard.training.plan_text import plan_lines
from steelyard.training.run_directory import read_stored_run

PURPOSE = (
    "Train a model. A recipe names the method, and the task or the data that it takes; options change its numbers.\n"
    "Settings, records, the trained model and a report page go to runs/RECIPE-TIME, or to --output-dir.\n\n"
    "steelyard train --resume RUN continues a run that was interrupted, with the run's own settings.\n"
    "steelyard train --resume RUN --max-steps N also extends a run that has reached its end.\n"
    "steelyard train RECIPE --dry-run [OPTIONS] checks the settings and prints the plan; it writes nothing."
)
DRY = "--dry-run"


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Train or resume, then print the curve and the paths; with --dry-run, only print the plan."""
    if DRY in words:
        return _plan([word for word in words if word != DRY])
    result = _resume(words[1:]) if words[:1] == ["--resume"] else _train(words)
    evals = read_run(result.run_dir).evals
    say(curve_text(evals))
    say(headline(result.summary, evals))
    made = result.summary.get("product", "model")
    say(f"page: {result.run_dir / 'report.html'}   {made}: {result.run_dir / made}   records: {result.run_dir}")
    return dict(result.summary)


def _resume(words: Sequence[str]) -> Result:
    require(bool(words), "names no run", where="--resume", hint="write steelyard train --resume RUN")
    stored = read_stored_run(words[0])
    longer = _max_steps(words[1:])
    run = stored.settings if longer is None else replace(stored.settings, max_steps=longer)
    with Progress(run.max_steps, _title(f"--resume {words[0]}", run)) as progress:
        return resume(words[0], max_steps=longer, watch=progress.watch)


def _max_steps(words: Sequence[str]) -> int | None:
    """The value of --max-steps, which alone may follow a run's name."""
    if not words:
        return None
    name, joined, value = words[0].partition("=")
    hint = "leave it out: a resumed run keeps its own recipe and settings, but for --max-steps"
    rest = words[1:] if joined else words[2:]
    require(name == "--max-steps" and not rest, f"unexpected {' '.join(words)}", where="train --resume", hint=hint)
    value = value if joined else "".join(words[1:2])
    require(value.isdecimal(), f"is {value!r}", where="--max-steps", hint="give a whole number of steps")
    return int(value)


def _plan(words: Sequence[str]) -> Mapping[str, object]:
    hint = "leave it out: the settings of a stored run are in its config.json"
    require("--resume" not in words, "does not go with --resume", where=DRY, hint=hint)
    name, settings = _settings(words)
    planned = plan(settings, name)
    say("\n".join(plain(line) for line in plan_lines(planned)))
    return planned


def _settings(words: Sequence[str]) -> tuple[str, Run | Job]:
    known = summaries()
    name = choose(words, known, command="train", what="RECIPE", purpose=PURPOSE)
    command = f"train {name}"
    what = f"comes with the recipe {name}, and a run knows its own"
    require("--resume" not in words, what, where="--resume", hint="write steelyard train --resume RUN")
    recipe = find(name)
    if not isinstance(recipe, Run):
        return name, parse(type(recipe), words[1:], command=command, default=recipe, description=known[name])
    rule, rest = take_rule(words[1:], command)
    curriculum, rest = take_id(rest, CURRICULUM)
    recipe = recipe if curriculum is None else replace(recipe, curriculum=curriculum)
    options = gather_stops(gather_rewards(_gather_schedules(rest, recipe), "--constraint"))
    settings = parse(Run, options, command=command, default=recipe, description=f"{known[name]}\n\n{chosen_parts()}")
    return name, settings if rule is None else replace(settings, decode=rule)


def _gather_schedules(words: Sequence[str], recipe: Run) -> list[str]:
    """The words with all `--schedule.NAME WORD`, and the recipe's own schedules, as one `--schedule NAME WORD ...`."""
    found = {name: str(schedule) for name, schedule in recipe.schedule.items()}
    given, rest = take_flags(words, lambda flag: flag.startswith("--schedule."))
    found |= {flag.removeprefix("--schedule.").replace("-", "_"): value for flag, value in given}
    return [*rest, "--schedule", *(word for pair in found.items() for word in pair)] if found else rest


def _train(words: Sequence[str]) -> Result:
    name, settings = _settings(words)
    title = "\n".join(filter(None, (_title(name, settings), _slow(settings))))
    with Progress(settings.max_steps, title) as progress:
        return train(settings, name=name, watch=progress.watch, command=["steelyard", "train", *words])


def _slow(run: Run | Job) -> str | None:
    """Why completions come slowly, where they do."""
    return slow_generation(run.model, run.mix) if isinstance(run, Run) and run.model else None


def _title(what: str, run: Run | Job) -> str:
    if not isinstance(run, Run):
        return f"steelyard train {what}: {run.title}"
    return (
        f"steelyard train {what}: {type(run.task).__name__} with {type(run.objective).__name__}, runtime "
        f"{run.runtime}, {run.max_steps} steps of {run.num_prompts} x {run.num_generations}"
    )


def say(text: str) -> None:
    """Print on standard error: standard output is for --json."""
    print(text, file=sys.stderr)


def headline(summary: JsonMapping, evals: Sequence[JsonMapping]) -> str:
    """One line about the whole run."""
    found = change(evals)
    parts = [] if found is None else [found]
    made = f"{summary['seconds']:.0f} s, {summary['steps']} steps"
    if "trajectories" not in summary:
        return "; ".join([*parts, made])
    parts.append(f"{made}, {summary['trajectories']} trajectories")
    if summary["staleness_mean"] is not None:
        parts.append(f"staleness mean {summary['staleness_mean']:.1f}, max {summary['staleness_max']}")
    parts.append(f"idle: learner {summary['learner_idle']:.0%}, searchers {summary['searcher_idle']:.0%}")
    return "; ".join(parts)
