"""`steelyard train RECIPE`: post-train a model, or carry out a job on given data, and show the progress."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from steelyard.cli import recipe_file
from steelyard.cli.flags import choose, take_lists, take_values
from steelyard.cli.progress import Progress, StageProgress
from steelyard.cli.recipe_words import parse_recipe, repeated_flags
from steelyard.cli.sanitize import plain
from steelyard.core import SteelyardError, require
from steelyard.core.job import Job
from steelyard.core.json import JsonMapping
from steelyard.policy.meta_model import slow_generation
from steelyard.recipes import find, summaries
from steelyard.report import curve_text, read_run
from steelyard.report.folding import say
from steelyard.report.measures import change
from steelyard.report.track import TRACKERS, check_trackers
from steelyard.runtime import Run
from steelyard.runtime.run_dir.pipeline_file import read_pipeline_file
from steelyard.training import Result, resume, train
from steelyard.training.pipeline import Pipeline
from steelyard.training.pipeline_plan import pipeline_lines, plan_pipeline
from steelyard.training.pipeline_run import is_pipeline
from steelyard.training.plan import plan
from steelyard.training.plan_text import plan_lines
from steelyard.training.run_directory import read_stored_run

PURPOSE = (
    "Train a model. A recipe names the method, and the task or the data that it takes; options change its numbers.\n"
    "Settings, records, the trained model and a report page go to runs/RECIPE-TIME, or to --output-dir.\n\n"
    "steelyard train --resume RUN continues a run that was interrupted, with the run's own settings, or a pipeline.\n"
    "steelyard train --resume RUN --max-steps N also extends a run that has reached its end.\n"
    "steelyard train RECIPE --dry-run [OPTIONS] checks the settings and prints the plan; it writes nothing.\n"
    "steelyard train RECIPE [OPTIONS] --save-recipe FILE.toml writes the options down, for\n"
    "steelyard train FILE.toml [OPTIONS], which runs them; an option beside the file replaces the file's.\n"
    f"--track NAME shows the records elsewhere, too: {', '.join(TRACKERS)}."
)
BESIDE = (
    "Beside the options below: --dry-run prints the plan, --save-recipe FILE.toml writes the options into a file, and "
    f"--track NAME shows the records in {', '.join(TRACKERS)}, too."
)
"""What the help text of a recipe says of flags that are no settings."""
DRY = "--dry-run"
SAVE = "--save-recipe"
TRACK = "--track"


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Train or resume, then print the curve and the paths; with --dry-run, only print the plan."""
    if DRY in words:
        return _plan([word for word in words if word != DRY])
    if SAVE in {word.partition("=")[0] for word in words}:
        return _save(words)
    result = _resume(words[1:]) if words[:1] == ["--resume"] else _train(words)
    if is_pipeline(result.run_dir):
        return _told(result)
    evals = read_run(result.run_dir).evals
    say(curve_text(evals))
    say(headline(result.summary, evals))
    for warned in result.summary.get("warnings", ()):
        say(f"warning: {warned}")
    made = result.summary.get("product", "model")
    say(f"page: {result.run_dir / 'report.html'}   {made}: {result.run_dir / made}   records: {result.run_dir}")
    return dict(result.summary)


def _told(result: Result) -> Mapping[str, object]:
    """Print what each stage of a pipeline changed, and the paths."""
    for row in read_pipeline_file(result.run_dir).stages:
        evals = read_run(result.run_dir / row.run).evals
        say(f"{row.name}: {headline(row.result or {}, evals)}")
    directory = result.run_dir
    say(f"page: {directory / 'report.html'}   model: {directory / result.summary['product']}   stages: {directory}")
    return dict(result.summary)


def _resume(words: Sequence[str]) -> Result:
    track, words = _take_trackers(words)
    require(bool(words), "names no run", where="--resume", hint="write steelyard train --resume RUN")
    if is_pipeline(words[0]):
        hint = "leave it out: the stages of a pipeline keep their settings"
        require(not words[1:], f"unexpected {' '.join(words[1:])}", where="train --resume", hint=hint)
        with StageProgress(f"--resume {words[0]}") as stages:
            return resume(words[0], watch=stages.watch, track=track)
    stored = read_stored_run(words[0])
    longer = _max_steps(words[1:])
    run = stored.settings if longer is None else replace(stored.settings, max_steps=longer)
    with Progress(run.max_steps, _title(f"--resume {words[0]}", run)) as progress:
        return resume(words[0], max_steps=longer, watch=progress.watch, track=track)


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
    asked = read_words(words)
    check_trackers(asked.track)
    if isinstance(asked.settings, Pipeline):
        planned = plan_pipeline(asked.settings, asked.name)
        lines = pipeline_lines(planned)
    else:
        planned = plan(asked.settings, asked.name)
        lines = plan_lines(planned)
    say("\n".join(map(plain, lines)))
    return planned


def _save(words: Sequence[str]) -> Mapping[str, object]:
    """Write the words that are given into a file, if they are right."""
    found, rest = take_values(words, SAVE)
    path = found[-1][1]
    asked = read_words(rest)
    _, expanded = _expanded(rest)
    recipe_file.save(path, asked.name, expanded[1:], [TRACK, *repeated_flags(asked.settings)])
    say(f"written: {path}   run it: steelyard train {path}")
    return {"recipe_file": path}


def _expanded(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The file that is named in the place of a recipe, if there is one, and the words with its own in its place."""
    if not words or not recipe_file.is_recipe_file(words[0]):
        return None, [*words]
    name, rest = recipe_file.from_file(words[0], words[1:])
    return words[0], [name, *rest]


@dataclass(frozen=True)
class Asked:
    """What the words of a command line, or of a recipe's file, ask for."""

    name: str
    """Of the recipe."""
    settings: Run | Job | Pipeline
    """The recipe with what the words change."""
    track: tuple[str, ...]
    """Where else the records are shown."""


def read_words(words: Sequence[str], command: str = "train") -> Asked:
    """A recipe, or a file that holds one, and the words after it, for a command.

    Raises:
        SteelyardError: a word or the file is wrong.
        SystemExit: --help was given and the help text has been printed.
    """
    known = summaries()
    file, given = _expanded(words)
    name = choose(given, known, command=command, what="RECIPE", purpose=PURPOSE)
    what = f"comes with the recipe {name}, and a run knows its own"
    require("--resume" not in given, what, where="--resume", hint="write steelyard train --resume RUN")
    track, rest = _take_trackers(given[1:])
    try:
        told = f"{known[name]}\n\n{BESIDE}"
        settings = parse_recipe(find(name), rest, command=f"{command} {name}", description=told)
    except SteelyardError as error:
        if file is None or error.where in {word.partition("=")[0] for word in words}:
            raise
        raise SteelyardError(error.what, where=f"{file}: {error.where}", hint=error.hint) from error
    return Asked(name, settings, track)


def _take_trackers(words: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The trackers that --track names, and the words that are left."""
    found, rest = take_lists(words, TRACK)
    for names in found:
        require(bool(names) and all(names), "has no value", where=TRACK, hint=f"write {TRACK} {' or '.join(TRACKERS)}")
    return tuple(dict.fromkeys(name for names in found for name in names)), rest


def _train(words: Sequence[str]) -> Result:
    asked = read_words(words)
    command = ["steelyard", "train", *words]
    name, settings = asked.name, asked.settings
    if isinstance(settings, Pipeline):
        with StageProgress(name) as stages:
            return train(settings, name=name, watch=stages.watch, track=asked.track, command=command)
    title = "\n".join(filter(None, (_title(name, settings), _slow(settings))))
    with Progress(settings.max_steps, title) as progress:
        return train(settings, name=name, watch=progress.watch, track=asked.track, command=command)


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
