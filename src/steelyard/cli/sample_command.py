"""`steelyard sample RUN`: print completions of a run's model."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from inspect import getdoc
from typing import Annotated

from steelyard.cli.chosen import rules_told, take_rule
from steelyard.cli.flags import RunDirectory, gather_rewards, parse
from steelyard.cli.sanitize import plain
from steelyard.cli.stops import AskedStops, gather_stops
from steelyard.core import Episode, PositiveInt, Prompt, Sampling, Score, SteelyardError, checked, encode, require
from steelyard.core.job import Draws, Job, Speaks, placed_on
from steelyard.core.json import JsonObject
from steelyard.decode import DecodeRule
from steelyard.policy import Policy
from steelyard.policy.device import AUTO, Device
from steelyard.reward import named_rewards
from steelyard.rollout import Codec, Episodes, engine_for
from steelyard.rollout.endings import ended_by
from steelyard.rollout.episodes import Said, turns_of
from steelyard.runtime import Run
from steelyard.runtime.factories import fitting, make_policy, make_task
from steelyard.runtime.prompt_lengths import tokens_of
from steelyard.runtime.run import Rewards
from steelyard.searcher.scoring import reading_of, scores_of
from steelyard.training.run_directory import read_finished_run


@checked()
@dataclass(frozen=True)
class Sample:
    """Print a run's completions of held-out prompts with their rewards, or of a prompt of your own."""

    run: RunDirectory
    """Directory of a run; `steelyard train` prints it at the end."""
    prompt: str | None = None
    """Complete this text instead of held-out prompts; there is no reward for it."""
    prompts: PositiveInt = 4
    """Number of held-out prompts."""
    samples: PositiveInt = 2
    """Completions per prompt."""
    temperature: float | None = None
    """Sampling temperature, by default the run's; 0 is greedy."""
    stop: AskedStops = None
    seed: int = 0
    """Seed of the sampling."""
    device: Device = AUTO
    """Where the model computes: auto, cpu, cuda or cuda:NUMBER."""
    base: bool = False
    """Sample the model that the run started from instead."""
    reward: Annotated[str | tuple[str, ...] | None, Rewards] = None
    """Reward function, module:function. For a run that was trained with one, name it again: `sample` does not run code
    only because a run directory names it."""
    output: str = ""
    """File that images are written to, .npz, for the run of a diffusion model; it may not be there yet."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Print completions."""
    rule, rest = take_rule(words, "sample")
    rest = gather_stops(gather_rewards(rest))
    asked = parse(Sample, rest, command="sample", description=f"{getdoc(Sample)}\n\n{rules_told()}")
    stored = read_finished_run(asked.run)
    job = stored.job(base=asked.base)
    writes = not asked.output or isinstance(job, Draws)
    require(writes, "is for the run of a diffusion model", where="--output", hint="use --json")
    if job is not None:
        return _of_job(asked, job, rule)
    settings = stored.run if asked.base else stored.trained
    placed = replace(settings.evaluation, device=asked.device)
    policy = make_policy(replace(settings, evaluation=placed))
    settings = fitting(settings, policy)
    typed = asked.prompt
    prompts = settings.task.prompts("held-out")[: asked.prompts] if typed is None else [Prompt("typed", typed)]
    temperature = settings.temperature if asked.temperature is None else asked.temperature
    stop = settings.stops if asked.stop is None else asked.stop
    sampling = Sampling(temperature, settings.max_completion_length, stop=stop)
    # A typed prompt has nothing for an environment to answer by: it gets one turn.
    task = settings.task if typed is None else None
    episodes = complete(policy, prompts, asked.samples, sampling, asked.seed, task, rule)
    rows = []
    for episode, score in zip(episodes, _scores(asked, settings, episodes), strict=True):
        turns = turns_of(episode.trajectory, policy.decode)
        print(_line(episode, score.value, turns))
        row = {**_row(policy, episode), "reward": score.value, **reading_of(score)}
        rows.append(row | ({"turns": [vars(turn) for turn in turns]} if len(turns) > 1 else {}))
    named = {} if rule is None else {"decode": encode(rule)}
    return {"run_dir": asked.run, "base": asked.base, **named, "samples": rows}


def _of_job(asked: Sample, job: Job, rule: DecodeRule | None) -> Mapping[str, object]:
    """Completions of the model of a job on given data: of the job's own prompts, or of a typed one; without rewards."""
    require(asked.reward is None, "the run is a job on given data", where="--reward", hint="leave it out")
    job = placed_on(job, asked.device)
    if isinstance(job, Draws):
        return _drawn(asked, job, rule)
    if not isinstance(job, Speaks):
        raise SteelyardError("is a job whose model writes no text", where=asked.run, hint="use steelyard eval")
    prompts = job.asked()[: asked.prompts] if asked.prompt is None else [Prompt("typed", asked.prompt)]
    temperature = 1.0 if asked.temperature is None else asked.temperature
    sampling = Sampling(temperature, job.max_completion_length, stop=asked.stop or ())
    policy = job.policy()
    episodes = complete(policy, prompts, asked.samples, sampling, asked.seed, rule=rule)
    for episode in episodes:
        print(_line(episode, None, ()))
    rows = [_row(policy, episode) for episode in episodes]
    return {"run_dir": asked.run, "base": asked.base, "samples": rows}


def _row(policy: Policy, episode: Episode) -> JsonObject:
    """A completion for --json: `ended_by` is its stop string or the text of its end token, or else "length"."""
    by = ended_by(episode.trajectory, policy)
    return {"prompt": episode.prompt.text, "completion": episode.completion, "ended_by": by}


def _drawn(asked: Sample, job: Draws, rule: DecodeRule | None) -> Mapping[str, object]:
    """What the model of a job makes that is no text."""
    taken = ("run", "samples", "seed", "base", "output")
    fixed = [f"--{f.name}" for f in fields(asked) if f.name not in taken and getattr(asked, f.name) != f.default]
    fixed += [] if rule is None else ["--decode"]
    require(not fixed, "is for a run whose model writes text", where=", ".join(fixed), hint="leave it out")
    rows = job.drawn(asked.samples, asked.seed, asked.output)
    for row in rows:
        print(f"{row['prompt']}\n{row['completion']}")
    return {"run_dir": asked.run, "base": asked.base, "output": asked.output, "samples": rows}


def _scores(asked: Sample, run: Run, episodes: Sequence[Episode]) -> Sequence[Score]:
    """Scores by the task's verifier or by --reward; without a value for each completion of a typed prompt."""
    nothing = [Score(None)] * len(episodes)
    if asked.prompt is not None:
        return nothing
    if asked.reward is None and run.reward is not None:
        named = plain(" and ".join(named_rewards(run.reward) or ()))
        why = f"no rewards are shown: the run was scored by {named}; to run it here, give --reward"
        print(why, file=sys.stderr)
        return nothing
    return scores_of(episodes, make_task(replace(run, reward=asked.reward, constraint=None)).score)


def _line(episode: Episode, reward: float | None, turns: Sequence[Said]) -> str:
    """Reward, prompt and completion. Later lines are indented, so that no line of a completion looks like a sample.

    An episode of several turns has a line for each turn, and for each answer of its environment.
    """
    margin = "" if reward is None else f"{reward:5.2f}  "
    text = f"{episode.prompt.text}{episode.completion}"
    if len(turns) > 1:
        text = "\n".join([str(episode.prompt.text), *(f"{turn.by}: {turn.text}" for turn in turns)])
    lines = text.split("\n")
    return f"\n{' ' * max(2, len(margin))}".join([margin + plain(lines[0]), *map(plain, lines[1:])])


def complete(
    policy: Policy,
    prompts: Sequence[Prompt],
    samples: int,
    sampling: Sampling,
    seed: int,
    task: object = None,
    rule: DecodeRule | None = None,
) -> list[Episode]:
    """`samples` episodes of each prompt, in order; `task` makes their environments, if it has some."""
    for prompt in prompts:
        tokens_of(policy, prompt)
    asked = [(prompt, sample) for prompt in prompts for sample in range(samples)]
    episodes = Episodes(engine_for(policy, seed, rule=rule), Codec.of(policy), task)
    found = {(e.prompt.id, e.trajectory.sample): e for e in episodes.play(asked, sampling)}
    return [found[prompt.id, sample] for prompt, sample in asked]
