"""`train`: a recipe in, a run directory and its summary out."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from steelyard.core import SteelyardError, require, suggest
from steelyard.recipes.catalogue import load
from steelyard.report import write_report
from steelyard.reward import Closable, reward_function
from steelyard.runtime import Inline, Local, Records, Run, describe
from steelyard.runtime.records import Watch


@dataclass(frozen=True)
class Result:
    """What a run came to. `summary` is the object that `steelyard train --json` prints."""

    run_dir: Path
    """Settings, records, model and report."""
    summary: Mapping[str, Any] = field(repr=False)
    """All of it; see `result.json`."""

    @property
    def accuracy_before(self) -> float:
        """Greedy held-out accuracy of the untrained policy."""
        return self.summary["accuracy_before"]

    @property
    def accuracy_after(self) -> float:
        """Greedy held-out accuracy of the last weights."""
        return self.summary["accuracy_after"]


def train(
    recipe: Run | str,
    *,
    reward: Callable[..., Any] | str | None = None,
    watch: Watch | None = None,
    report: bool = True,
    name: str | None = None,
    command: Sequence[str] | None = None,
    **settings: Any,
) -> Result:
    """Post-train a model.

    Args:
        recipe: a `Run`, or the name of a recipe.
        reward: replaces the task's verifier: a callable `f(prompts, completions, **columns) -> list[float | None]`,
            which then runs in this process and holds up its message loop while it does, or "module:function",
            which runs in worker processes. Held-out accuracy is always the task's own verifier's.
        watch: called with the name of a record file and each row written to it.
        report: write report.html at the end.
        name: the recipe's name in the records, where `recipe` is a `Run`.
        command: the command line that this run came from, for its page.
        settings: fields of the recipe to change, for example `max_steps=50`.

    Raises:
        SteelyardError: a setting, model or file is wrong, or the run stalled.
    """
    run, name = (load(recipe), name or recipe) if isinstance(recipe, str) else (recipe, name or "custom")
    run = _changed(run, settings | ({"reward": reward} if isinstance(reward, str) else {}))
    directory = Path(run.output_dir or f"runs/{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    require(bool(run.model), "is missing", where="--model", mend="name a directory, a shipped model or a hub id")
    verifier = reward_function(reward) if callable(reward) else None
    try:
        with Records(directory, watch, describe(run, name, command)) as records:
            runtime = (Local if run.runtime == "local" else Inline)(run, records, verifier)
            result = {"run_dir": str(directory), "recipe": name, "runtime": run.runtime, **runtime.train()}
            records.write_json("result.json", result)
    finally:
        for part in (run.task, verifier):
            if isinstance(part, Closable):
                part.close()
    if report:
        write_report(directory)
    return Result(directory, result)


def _changed(run: Run, settings: Mapping[str, Any]) -> Run:
    known = [f.name for f in fields(run)]
    for name in settings:
        if name not in known:
            raise SteelyardError(f"unknown setting {name!r}", where="train", mend=suggest(name, known))
    return replace(run, **settings)
