"""The words of `steelyard train RECIPE` as settings: of a run, of a job, or of a pipeline with its stages.

A stage of a pipeline takes the words of a recipe, each with the stage's name before it: --dpo.learning-rate 1e-6.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from steelyard.cli.chosen import CURRICULUM, chosen_parts, take_id, take_rule
from steelyard.cli.flags import REWARD, gather_rewards, parse, take_flags
from steelyard.cli.stops import STOP, gather_stops
from steelyard.core import SteelyardError
from steelyard.runtime import Run
from steelyard.training.pipeline import Pipeline

CONSTRAINT = "--constraint"
_FLAG = re.compile(r"(?<![\w/.-])--(?=[a-z])")


def parse_recipe(recipe: Any, words: Sequence[str], *, command: str, description: str) -> Any:
    """The recipe, a `Run`, a `Job` or a `Pipeline`, with what the words change.

    Args:
        recipe: the settings to start from.
        words: the command line, after the recipe's name.
        command: the words between `steelyard` and `words`.
        description: start of the help text.

    Raises:
        SteelyardError: an option or word is unknown, has no value, or one of the wrong type or range.
        SystemExit: --help was given and the help text has been printed.
    """
    if isinstance(recipe, Pipeline):
        return _parse_pipeline(recipe, words, command, description)
    if isinstance(recipe, Run):
        return _parse_run(recipe, words, command, description)
    return parse(type(recipe), words, command=command, default=recipe, description=description)


def repeated_flags(recipe: Any) -> list[str]:
    """The flags of a recipe that may be given several times, each adding a value."""
    if not isinstance(recipe, Pipeline):
        return [REWARD, CONSTRAINT, STOP]
    stages = {f.name: getattr(recipe, f.name) for f in fields(recipe) if f.name != "given"}
    nested = [f"--{name}.{flag[2:]}" for name, stage in stages.items() for flag in repeated_flags(stage)]
    return [REWARD, *_lists(recipe), *nested]


def _parse_run(recipe: Run, words: Sequence[str], command: str, description: str) -> Run:
    rule, rest = take_rule(words, command)
    curriculum, rest = take_id(rest, CURRICULUM)
    recipe = recipe if curriculum is None else replace(recipe, curriculum=curriculum)
    options = gather_stops(gather_rewards(_gather_schedules(rest, recipe), CONSTRAINT))
    told = f"{description}\n\n{chosen_parts()}"
    settings = parse(Run, options, command=command, default=recipe, description=told)
    return settings if rule is None else replace(settings, decode=rule)


def _gather_schedules(words: Sequence[str], recipe: Run) -> list[str]:
    """The words with all `--schedule.NAME WORD`, and the recipe's own schedules, as one `--schedule NAME WORD ...`."""
    found = {name: str(schedule) for name, schedule in recipe.schedule.items()}
    given, rest = take_flags(words, lambda flag: flag.startswith("--schedule."))
    found |= {flag.removeprefix("--schedule.").replace("-", "_"): value for flag, value in given}
    return [*rest, "--schedule", *(word for pair in found.items() for word in pair)] if found else rest


def _parse_pipeline(recipe: Pipeline, words: Sequence[str], command: str, description: str) -> Pipeline:
    stages = {f.name: getattr(recipe, f.name) for f in fields(recipe) if f.name != "given"}
    own, parts = split_stages(words, [*stages])
    names = ", ".join(f"--{name}.help" for name in stages)
    told = f"{description}\n\nEvery stage has the flags of its own kind of run, after its name: {names} list them."
    words_of_given = gather_rewards(own, *_lists(recipe))
    given = parse(type(recipe.given), words_of_given, command=command, default=recipe.given, description=told)
    changed = {name: _parse_stage(stages[name], some, name, command) for name, some in parts.items() if some}
    return replace(recipe, given=given, **changed)  # pyright: ignore[reportArgumentType]


def _lists(recipe: Pipeline) -> list[str]:
    """The flags that name files of a pipeline's stages."""
    return [*dict.fromkeys(stage.flag for stage in recipe.stages() if stage.flag)]


def _parse_stage(stage: Any, words: Sequence[str], name: str, command: str) -> Any:
    """The settings of a stage; errors name its flags as they were written."""
    try:
        return parse_recipe(stage, words, command=command, description=f"The stage {name}; write --{name}.FLAG.")
    except SteelyardError as error:
        where, what, hint = (_FLAG.sub(f"--{name}.", text) for text in (error.where, error.what, error.hint))
        raise SteelyardError(what, where=where, hint=hint) from error


def split_stages(words: Sequence[str], stages: Sequence[str]) -> tuple[list[str], Mapping[str, list[str]]]:
    """The words of the pipeline itself, and those of each stage, as a recipe of its own has them.

    A flag --STAGE.NAME belongs to the stage, with all words that follow it up to the next flag.
    """
    own: list[str] = []
    parts: dict[str, list[str]] = {name: [] for name in stages}
    taking = own
    for word in words:
        if word.startswith("--"):
            name, dot, rest = word.removeprefix("--").partition(".")
            taking = parts[name] if dot and name in parts else own
            word = f"--{rest}" if taking is not own else word
        taking.append(word)
    return own, parts
