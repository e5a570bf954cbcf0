"""`steelyard eval RUN`: measure a run's model on held-out prompts."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, replace
from inspect import getdoc
from pathlib import Path
from typing import Annotated

from steelyard.cli.chosen import rules_told, take_rule
from steelyard.cli.flags import RunDirectory, gather_rewards, parse
from steelyard.cli.sanitize import plain
from steelyard.cli.stops import AskedStops, gather_stops
from steelyard.core import Weights, checked, encode, require
from steelyard.core.job import Job, MeasuresTexts, Reopens, opened, placed_on
from steelyard.core.json import JsonMapping
from steelyard.policy.device import AUTO, Device
from steelyard.report.folding import say_out
from steelyard.reward import named_rewards
from steelyard.runtime import Run
from steelyard.runtime.factories import fitting, make_evaluation, make_policy
from steelyard.runtime.prompt_lengths import tokens_of
from steelyard.runtime.run import Rewards
from steelyard.runtime.run_dir import checkpoint
from steelyard.training.run_directory import read_finished_run


@checked()
@dataclass(frozen=True)
class Eval:
    """Measure a run's model on held-out prompts: greedy accuracy with its interval, pass@k, distinct right answers,
    length and styles. On a task whose completions can be enumerated, also the exact distance to pi*. The model of a job
    on given data is measured as the job measures it."""

    run: RunDirectory
    """Directory of a run; `steelyard train` prints it at the end."""
    prompts: int = 512
    """Held-out prompts for greedy accuracy."""
    sampled_prompts: int = 128
    """How many of those prompts are also sampled, at the training temperature."""
    samples: int = 8
    """Samples per sampled prompt."""
    stop: AskedStops = None
    seed: int = 0
    """Seed of the sampling."""
    device: Device = AUTO
    """Where the model computes: auto, cpu, cuda or cuda:NUMBER."""
    base: bool = False
    """Measure the model that the run started from instead."""
    reward: Annotated[str | tuple[str, ...] | None, Rewards] = None
    """Reward function, module:function. For a run that was trained with one, name it again: `eval` does not run code
    only because a run directory names it, and measures by the task's own verifier without."""
    texts: str | None = None
    """Other rows (JSONL or Parquet) for the run of a guard (labelled texts) or of rluf; by default those held out."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Print the metrics."""
    rule, rest = take_rule(words, "eval")
    rest = gather_stops(gather_rewards(rest))
    asked = parse(Eval, rest, command="eval", description=f"{getdoc(Eval)}\n\n{rules_told()}")
    stored = read_finished_run(asked.run)
    if (job := stored.job(base=asked.base)) is not None:
        what = "the run is a job on given data, which generates nothing by a rule"
        require(rule is None, what, where="--decode", hint="leave it out")
        return _of_job(asked, job)
    base = stored.run
    require(asked.texts is None, "is for the run of a guard or of rluf", where="--texts", hint="leave it out")
    numbers = {"prompts": asked.prompts, "sampled_prompts": asked.sampled_prompts, "samples": asked.samples}
    held_out = replace(base.evaluation, **numbers, device=asked.device)
    check_reward(asked, stored.run)
    changed = {"evaluation": held_out, "seed": asked.seed, "reward": asked.reward, "constraint": None}
    changed |= {} if asked.stop is None else {"stop": asked.stop}
    settings = replace(base if asked.base else stored.trained, **changed)
    policy = make_policy(settings)
    settings = fitting(settings, policy)
    for prompt in settings.task.prompts("held-out")[: asked.prompts]:
        tokens_of(policy, prompt)
    untrained = replace(base, lora_rank=0, evaluation=replace(held_out, device="cpu"))
    reference = Weights.of(make_policy(untrained).weights(), 0)
    row, _ = make_evaluation(settings, policy, reference, rule=rule)(Weights.of(policy.weights(), 0))
    named = {} if rule is None else {"decode": encode(rule)}
    return {**_shown(asked, row), **named}


def _of_job(asked: Eval, job: Job) -> Mapping[str, object]:
    """Measure the model of a job on given data as the job measures it, on the job's own files."""
    others = [f for f in fields(asked) if f.name not in ("run", "base", "texts", "device")]
    fixed = [f.name for f in others if getattr(asked, f.name) != f.default]
    flags = ", ".join(f"--{name.replace('_', '-')}" for name in fixed)
    what = "the run is a job on given data, which is measured on its own files as its settings say"
    require(not fixed, what, where=flags, hint="leave it out")
    if asked.texts is not None:
        what = "the run is a job that rates no texts"
        require(isinstance(job, MeasuresTexts), what, where="--texts", hint="leave it out")
        assert isinstance(job, MeasuresTexts)
        job = job.measured_on(asked.texts)
    kept = checkpoint.whole(Path(asked.run))[0] if isinstance(job, Reopens) else None
    with closing(opened(placed_on(job, asked.device), kept)) as work:
        row, _ = work.evaluate()
    return _shown(asked, row)


def _shown(asked: Eval, row: JsonMapping) -> Mapping[str, object]:
    metrics = {name: value for name, value in row.items() if name.startswith("eval/")}
    width = max(18, *(len(name) - len("eval/") for name in metrics))
    for name, value in metrics.items():
        line = f"{name.removeprefix('eval/'):<{width}} {f'{value:.4f}' if isinstance(value, float) else value}"
        say_out(line, indent=width - 1)
    return {"run_dir": asked.run, "base": asked.base, **metrics}


def check_reward(asked: Eval, run: Run) -> None:
    """Say by what the run is measured, where that is not what trained it.

    Raises:
        SteelyardError: there is nothing else to measure by.
    """
    if asked.reward is not None or run.reward is None:
        return
    named = plain(" and ".join(named_rewards(run.reward) or ()))
    able = getattr(run.task, "needs_answer", True)
    what = f"the run was scored by {named}, and its task has no verifier of its own"
    require(able, what, where=asked.run, hint=f"give --reward {named}, to run it here")
    print(f"measured by the task's own verifier: the run was scored by {named}; give --reward", file=sys.stderr)
