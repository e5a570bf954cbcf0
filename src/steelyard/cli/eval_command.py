"""`steelyard eval RUN`: measure a run's model on held-out prompts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from steelyard.cli.flags import first, parse
from steelyard.core import Weights
from steelyard.recipes.finished import open_run
from steelyard.runtime.parts import make_measure, make_policy, make_task


@dataclass(frozen=True)
class Eval:
    """Greedy accuracy with its interval, pass@k, distinct correct answers, length and styles, on held-out prompts."""

    prompts: int = 512
    """Held-out prompts that are answered greedily."""
    sampled_prompts: int = 128
    """How many of them are also sampled at the training temperature."""
    samples: int = 8
    """Samples of each of those."""
    seed: int = 0
    """Of the samples."""
    base: bool = False
    """Measure the model that the run started from instead."""


def run(arguments: Sequence[str]) -> dict[str, Any]:
    """Print the metrics."""
    directory, flags = first(arguments, command="eval", what="RUN")
    asked = parse(Eval, flags, command="eval RUN")
    finished = open_run(directory)
    base = finished.run
    held_out = replace(
        base.evaluation, prompts=asked.prompts, sampled_prompts=asked.sampled_prompts, samples=asked.samples
    )
    settings = replace(base if asked.base else finished.trained, evaluation=held_out, seed=asked.seed)
    policy = make_policy(settings)
    reference = Weights.of(make_policy(replace(base, lora_rank=0)).weights(), 0)
    row, _ = make_measure(settings, policy, make_task(settings), reference)(Weights.of(policy.weights(), 0), 0)
    metrics = {name: value for name, value in row.items() if name.startswith("eval/")}
    for name, value in metrics.items():
        print(
            f"{name.removeprefix('eval/'):<18} {value:.4f}"
            if isinstance(value, float)
            else f"{name.removeprefix('eval/'):<18} {value}"
        )
    return {"run_dir": directory, **metrics}
