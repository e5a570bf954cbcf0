"""`steelyard sample RUN`: read what a run's model writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from steelyard.cli.flags import RunDirectory, parse
from steelyard.core import Episode, Prompt, Request, Sampling, require
from steelyard.policy import Policy
from steelyard.recipes.finished import open_run
from steelyard.rollout import TransformersEngine
from steelyard.runtime.parts import make_policy, make_task, tokens_of


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

    def __post_init__(self) -> None:
        for name in ("prompts", "samples"):
            value = getattr(self, name)
            require(value >= 1, f"is {value}", where=f"--{name}", mend="use 1 or more")


def run(words: Sequence[str]) -> dict[str, Any]:
    """Print completions."""
    asked = parse(Sample, words, command="sample")
    finished = open_run(asked.run)
    settings = finished.run if asked.base else finished.trained
    policy, task = make_policy(settings), make_task(settings)
    typed = asked.prompt is not None
    prompts = [Prompt("typed", asked.prompt)] if asked.prompt is not None else task.prompts("held-out")[: asked.prompts]
    temperature = settings.temperature if asked.temperature is None else asked.temperature
    episodes = complete(
        policy, prompts, asked.samples, Sampling(temperature, settings.max_completion_length), asked.seed
    )
    rewards = [None] * len(episodes) if typed else [score.value for score in task.score(episodes)]
    rows = []
    for episode, reward in zip(episodes, rewards, strict=True):
        print(f"{'' if reward is None else f'{reward:5.2f}  '}{episode.prompt.text}{episode.completion}")
        rows.append({"prompt": episode.prompt.text, "completion": episode.completion, "reward": reward})
    return {"run_dir": asked.run, "base": asked.base, "samples": rows}


def complete(policy: Policy, prompts: Sequence[Prompt], samples: int, sampling: Sampling, seed: int) -> list[Episode]:
    """`samples` completions of each prompt, in order."""
    requests = [Request(p.id, tuple(tokens_of(policy, p)), i) for p in prompts for i in range(samples)]
    found = {(t.prompt_id, t.sample): t for t in TransformersEngine(policy, seed).generate(requests, sampling)}
    ordered = [(p, found[p.id, i]) for p in prompts for i in range(samples)]
    return [Episode(p, policy.decode(t.completion_T), t) for p, t in ordered]
