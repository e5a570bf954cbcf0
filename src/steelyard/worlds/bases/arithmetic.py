"""The base model of `arithmetic`, made by plain supervised training: `steelyard build-base arithmetic`.

Two phases on an unlimited stream of problems, none of them held out. First mostly worked solutions, in four styles, so
that the skill is there; then four guesses to every worked solution, so that it is latent: the model guesses nearly
always, and its guess, the sum to the nearest ten, is right one time in ten.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from steelyard.core import PositiveInt, Prompt, Sampling, Seed, Trajectory, checked, rng
from steelyard.core.json import JsonObject
from steelyard.eval import evaluate
from steelyard.policy import Policy
from steelyard.rollout import engine_for
from steelyard.runtime.run_dir.records import check_output
from steelyard.task.arithmetic import STYLES, Arithmetic, draw_terms, is_held_out, problem, solution
from steelyard.worlds.bases.new_model import save_new
from steelyard.worlds.bases.phase import carry_out
from steelyard.worlds.bases.ranges import LearningRate
from steelyard.worlds.imitation import imitating
from steelyard.worlds.sync_loop import demonstration, tiny_policy

CHARACTERS = "0123456789+-=,:><tp"
MARKERS = {"left": ">", "right": "<", "tens": "t", "pairs": "p"}
SKILL = {"bare": 0.04, "left": 0.24, "right": 0.24, "tens": 0.24, "pairs": 0.24}
HABIT = {"bare": 0.80, "left": 0.05, "right": 0.05, "tens": 0.05, "pairs": 0.05}
_LONGEST = Sampling(max_tokens=20)


@checked()
@dataclass(frozen=True)
class ArithmeticBase:
    """Train the base model of the arithmetic recipes; about 15 minutes on one core."""

    output_dir: str = "runs/build-base-arithmetic"
    """Where the model is written."""
    skill_steps: PositiveInt = 4500
    """Steps on mostly worked solutions."""
    habit_steps: PositiveInt = 400
    """Steps on mostly guesses."""
    batch: PositiveInt = 192
    """Problems in a step."""
    learning_rate: LearningRate = 4e-3
    """Highest learning rate; it falls linearly to a fiftieth."""
    seed: Seed = 0
    """Seed of weights and problems."""

    def __call__(self) -> Mapping[str, object]:
        """Train, measure and save; returns the measurements.

        Raises:
            SteelyardError: the output directory is not empty, or cannot be made.
        """
        directory = Path(self.output_dir)
        check_output(directory)
        torch.set_num_threads(1)  # so that the weights do not depend on the number of cores
        began = time.monotonic()
        steps = self.skill_steps + self.habit_steps
        policy = new_policy(self.seed)
        learner = imitating(policy, self.learning_rate, warmup=min(100, steps // 2), steps=steps)
        carry_out(learner, range(steps), partial(self._batch, policy=policy), began)
        save_new(policy, directory)
        found = measure(policy)
        for name, value in found.items():
            print(f"{name:<22} {value}")
        print(f"model: {directory}")
        return {"model": str(directory), "seconds": time.monotonic() - began, **found}

    def _batch(self, step: int, policy: Policy) -> list[list[Trajectory]]:
        """Worked solutions as trajectories: imitation is learning from episodes that somebody else acted."""
        draws = rng(self.seed, "warmstart", step)
        shares = SKILL if step < self.skill_steps else HABIT
        terms = draw_terms(draws, 2 * self.batch).tolist()
        kept = [t for t in terms if not is_held_out(problem(t))][: self.batch]
        styles = draws.choice(list(shares), size=len(kept), p=list(shares.values()))
        asked = [Prompt(problem(t), problem(t)) for t in kept]
        rows = zip(asked, kept, styles, strict=True)
        return [[demonstration(policy, prompt, solution(style, t))] for prompt, t, style in rows]


def new_policy(seed: int) -> Policy:
    """The untrained model, 0.28M parameters, with its character tokenizer."""
    return tiny_policy(CHARACTERS, seed=seed, width=96, layers=3, heads=4, context=64)


def measure(policy: Policy, num_prompts: int = 512) -> Mapping[str, object]:
    """Greedy accuracy and style shares, and the accuracy of each style when it is begun for the model."""
    task = Arithmetic(held_out=num_prompts)
    engine = engine_for(policy, 0)
    prompts = task.prompts("held-out")

    def ask(prompts: Sequence[Prompt], samples: int) -> JsonObject:
        found = evaluate(
            engine, task, prompts, policy.encode, policy.decode, sampling=_LONGEST, samples_per_prompt=samples
        )
        return dict(found.metrics)

    whole = ask(prompts, 8)
    forced = {}
    for style in STYLES:
        begun = [replace(p, text=f"{p.text}{MARKERS[style]}") for p in prompts] if style in MARKERS else []
        if begun:
            forced[style] = round(ask(begun, 0)["eval/accuracy"], 3)
    shares = {style: round(share, 3) for style, share in whole["eval/styles"].items()}
    return {
        "greedy_accuracy": whole["eval/accuracy"],
        "sampled_accuracy": whole["eval/reward_mean"],
        "style_shares": shares,
        "style_accuracy": forced,
    }
