"""`steelyard sample RUN`: print completions of a run's model."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from steelyard.cli.flags import RunDirectory, parse
from steelyard.cli.sanitize import plain
from steelyard.core import Episode, PositiveInt, Prompt, Request, Sampling, checked
from steelyard.policy import Policy
from steelyard.rollout import engine_for
from steelyard.runtime import Run
from steelyard.runtime.factories import make_policy, make_task, tokens_of
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
    seed: int = 0
    """Seed of the sampling."""
    base: bool = False
    """Sample the model that the run started from instead."""
    reward: str | None = None
    """Reward function, module:function. For a run that was trained with one, name it again: `sample` does not run code
    only because a run directory names it."""


def run(words: Sequence[str]) -> dict[str, Any]:
    """Print completions."""
    asked = parse(Sample, words, command="sample")
    stored = read_finished_run(asked.run)
    settings = stored.run if asked.base else stored.trained
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
    """Rewards by the task's verifier or by --reward; None for each completion of a typed prompt."""
    nothing = [None] * len(episodes)
    if asked.prompt is not None:
        return nothing
    if asked.reward is None and run.reward is not None:
        print(
            f"no rewards are shown: the run was scored by {plain(run.reward)}; to run it here, give --reward",
            file=sys.stderr,
        )
        return nothing
    return [score.value for score in make_task(replace(run, reward=asked.reward)).score(episodes)]


def _line(episode: Episode, reward: float | None) -> str:
    """Reward, prompt and completion. Later lines are indented, so that no line of a completion looks like a sample."""
    margin = "" if reward is None else f"{reward:5.2f}  "
    text = f"{episode.prompt.text}{episode.completion}".split("\n")
    return f"\n{' ' * max(2, len(margin))}".join([margin + plain(text[0]), *map(plain, text[1:])])


def complete(policy: Policy, prompts: Sequence[Prompt], samples: int, sampling: Sampling, seed: int) -> list[Episode]:
    """`samples` completions of each prompt, in order."""
    requests = [Request(p.id, tuple(tokens_of(policy, p)), i) for p in prompts for i in range(samples)]
    found = {(t.prompt_id, t.sample): t for t in engine_for(policy, seed).generate(requests, sampling)}
    ordered = [(p, found[p.id, i]) for p in prompts for i in range(samples)]
    return [Episode(p, policy.decode(t.completion_T), t) for p, t in ordered]
