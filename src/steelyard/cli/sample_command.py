"""`steelyard sample RUN`: read what a run's model writes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from steelyard.cli.flags import RunDirectory, parse
from steelyard.cli.sanitize import plain
from steelyard.core import Episode, Prompt, Request, Sampling, require
from steelyard.policy import Policy
from steelyard.rollout import engine_for
from steelyard.runtime import Run
from steelyard.runtime.factories import make_policy, make_task, tokens_of
from steelyard.training.run_directory import open_run


@dataclass(frozen=True)
class Sample:
    """Show what a run's model writes after held-out prompts, with rewards, or after a prompt of your own."""

    run: RunDirectory
    """A run's directory, as `steelyard train` names it when it ends."""
    prompt: str | None = None
    """Complete this text instead of held-out prompts; it has no reward."""
    prompts: int = 4
    """How many held-out prompts."""
    samples: int = 2
    """Completions of each."""
    temperature: float | None = None
    """Temperature of the samples, by default the run's; 0 is greedy."""
    seed: int = 0
    """Seed of the samples."""
    base: bool = False
    """Sample the model that the run started from instead."""
    reward: str | None = None
    """The reward function, module:function, of a run that was trained with one: a file's word alone does not run it."""

    def __post_init__(self) -> None:
        for name in ("prompts", "samples"):
            value = getattr(self, name)
            require(value >= 1, f"is {value}", where=f"--{name}", hint="use 1 or more")


def run(words: Sequence[str]) -> dict[str, Any]:
    """Print completions."""
    asked = parse(Sample, words, command="sample")
    finished = open_run(asked.run)
    settings = finished.run if asked.base else finished.trained
    policy = make_policy(settings)
    typed = asked.prompt
    prompts = settings.task.prompts("held-out")[: asked.prompts] if typed is None else [Prompt("typed", typed)]
    temperature = settings.temperature if asked.temperature is None else asked.temperature
    episodes = complete(
        policy, prompts, asked.samples, Sampling(temperature, settings.max_completion_length), asked.seed
    )
    rows = []
    for episode, reward in zip(episodes, _rewards(asked, settings, episodes), strict=True):
        print(_line(episode, reward))
        rows.append({"prompt": episode.prompt.text, "completion": episode.completion, "reward": reward})
    return {"run_dir": asked.run, "base": asked.base, "samples": rows}


def _rewards(asked: Sample, run: Run, episodes: Sequence[Episode]) -> Sequence[float | None]:
    """By the task's own verifier, or the reward function asked for; none for a typed prompt."""
    nothing = [None] * len(episodes)
    if asked.prompt is not None:
        return nothing
    if asked.reward is None and run.reward is not None:
        print(
            f"without rewards: the run names the function {plain(run.reward)}; to run it, give --reward",
            file=sys.stderr,
        )
        return nothing
    return [score.value for score in make_task(replace(run, reward=asked.reward)).score(episodes)]


def _line(episode: Episode, reward: float | None) -> str:
    """The reward, what was asked and what was written; further lines are indented, lest one pass for a sample."""
    margin = "" if reward is None else f"{reward:5.2f}  "
    text = f"{episode.prompt.text}{episode.completion}".split("\n")
    return f"\n{' ' * max(2, len(margin))}".join([margin + plain(text[0]), *map(plain, text[1:])])


def complete(policy: Policy, prompts: Sequence[Prompt], samples: int, sampling: Sampling, seed: int) -> list[Episode]:
    """`samples` completions of each prompt, in order."""
    requests = [Request(p.id, tuple(tokens_of(policy, p)), i) for p in prompts for i in range(samples)]
    found = {(t.prompt_id, t.sample): t for t in engine_for(policy, seed).generate(requests, sampling)}
    ordered = [(p, found[p.id, i]) for p in prompts for i in range(samples)]
    return [Episode(p, policy.decode(t.completion_T), t) for p, t in ordered]
