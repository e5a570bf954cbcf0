"""`steelyard eval RUN`: measure a run's model on held-out prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from steelyard.cli.flags import RunDirectory, parse
from steelyard.core import Weights
from steelyard.runtime.factories import make_evaluation, make_policy, tokens_of
from steelyard.training.run_directory import read_finished_run


@dataclass(frozen=True)
class Eval:
    """Measure a run's model on held-out prompts: greedy accuracy with its interval, pass@k, distinct right answers,
    length and styles. On a task whose completions can be enumerated, also the exact distance to pi*."""

    run: RunDirectory
    """Directory of a run; `steelyard train` prints it at the end."""
    prompts: int = 512
    """Held-out prompts for greedy accuracy."""
    sampled_prompts: int = 128
    """How many of those prompts are also sampled, at the training temperature."""
    samples: int = 8
    """Samples per sampled prompt."""
    seed: int = 0
    """Seed of the sampling."""
    base: bool = False
    """Measure the model that the run started from instead."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Print the metrics."""
    asked = parse(Eval, words, command="eval")
    stored = read_finished_run(asked.run)
    base = stored.run
    held_out = replace(
        base.evaluation, prompts=asked.prompts, sampled_prompts=asked.sampled_prompts, samples=asked.samples
    )
    settings = replace(base if asked.base else stored.trained, evaluation=held_out, seed=asked.seed)
    policy = make_policy(settings)
    for prompt in settings.task.prompts("held-out")[: asked.prompts]:
        tokens_of(policy, prompt)
    reference = Weights.of(make_policy(replace(base, lora_rank=0)).weights(), 0)
    row, _ = make_evaluation(settings, policy, reference)(Weights.of(policy.weights(), 0))
    metrics = {name: value for name, value in row.items() if name.startswith("eval/")}
    for name, value in metrics.items():
        print(f"{name.removeprefix('eval/'):<18} {f'{value:.4f}' if isinstance(value, float) else value}")
    return {"run_dir": asked.run, "base": asked.base, **metrics}
