"""`steelyard sample RUN`: read what a run's model writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from steelyard.cli.flags import first, parse
from steelyard.core import Episode, Prompt, Request, Sampling, SteelyardError
from steelyard.recipes.finished import open_run
from steelyard.rollout import TransformersEngine
from steelyard.runtime.parts import make_policy, make_task


@dataclass(frozen=True)
class Sample:
    """Completions of held-out prompts, or of a prompt of your own, with their rewards."""

    prompt: str | None = None
    """Complete this text instead of held-out prompts; it has no reward."""
    prompts: int = 4
    """Held-out prompts."""
    samples: int = 2
    """Completions of each."""
    temperature: float | None = None
    """By default the run's; 0 is greedy."""
    seed: int = 0
    """Of the samples."""
    base: bool = False
    """Sample the model that the run started from instead."""


def run(arguments: Sequence[str]) -> dict[str, Any]:
    """Print completions."""
    directory, flags = first(arguments, command="sample", what="RUN")
    asked = parse(Sample, flags, command="sample RUN")
    if asked.prompts < 1 or asked.samples < 1:
        raise SteelyardError("asks for nothing", where="--prompts, --samples", mend="use 1 or more")
    finished = open_run(directory)
    settings = finished.run if asked.base else finished.trained
    policy, task = make_policy(settings), make_task(settings)
    prompts = (
        [Prompt("typed", asked.prompt)] if asked.prompt is not None else list(task.prompts("held-out"))[: asked.prompts]
    )
    temperature = settings.temperature if asked.temperature is None else asked.temperature
    sampling = Sampling(temperature, settings.max_completion_length)
    requests = [Request(p.id, tuple(policy.encode(p.text)), i) for p in prompts for i in range(asked.samples)]
    by_id = {p.id: p for p in prompts}
    found = sorted(
        TransformersEngine(policy, asked.seed).generate(requests, sampling),
        key=lambda t: (list(by_id).index(t.prompt_id), t.sample),
    )
    episodes = [Episode(by_id[t.prompt_id], policy.decode(t.completion_T), t) for t in found]
    rewards = [None] * len(episodes) if asked.prompt is not None else [s.value for s in task.score(episodes)]
    rows = []
    for episode, reward in zip(episodes, rewards, strict=True):
        print(f"{'' if reward is None else f'{reward:5.2f}  '}{episode.prompt.text}{episode.completion}")
        rows.append({"prompt": episode.prompt.text, "completion": episode.completion, "reward": reward})
    return {"run_dir": directory, "samples": rows}
