"""The base model of `calculator`, made by plain supervised training: `steelyard build-base calculator`.

Two phases on an unlimited stream of episodes: first mostly ones in which the calculator is called, so that the skill is
there; then, with a new optimizer at a lower rate, mostly guesses, so that the skill is latent. Its tokens are digits,
signs and the fixed parts of a call; its chat template shows each tool in a line.
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from steelyard.core import PositiveInt, Seed, Trajectory, checked, rng
from steelyard.learner import Learner
from steelyard.learner.demonstrations import given
from steelyard.policy import Policy
from steelyard.runtime.run_dir.records import check_output
from steelyard.task.calculator import PocketCalculator
from steelyard.worlds.bases.new_model import save_new
from steelyard.worlds.bases.phase import carry_out
from steelyard.worlds.bases.ranges import LearningRate
from steelyard.worlds.imitation import imitating
from steelyard.worlds.sync_loop import tiny_policy

BEGIN = '<tool_call>{"name": "'
MIDDLE = '", "arguments": {"'
END = '"}}</tool_call>'
SYMBOLS = (
    *"0123456789*+-(),\n", "<user>", "<assistant>", "<tool>", "<system>", BEGIN, MIDDLE, '": "', END, "calculate",
    "expression",
)  # fmt: skip
TEMPLATE = (
    "{% for tool in tools or [] %}{{ tool.function.name }}({{ tool.function.parameters.properties | join(',') }})\n"
    "{% endfor %}{% for message in messages %}<{{ message.role }}>{{ message.content }}<eos>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
SKILL = 0.8
"""Share of episodes in which the calculator is called, in the first phase."""
HABIT = 0.15
"""That share in the second phase."""
HABIT_RATE = 0.25
"""Learning rate of the second phase, as a share of the highest of the first."""


@checked()
@dataclass(frozen=True)
class CalculatorBase:
    """Train the base model of the calculator recipe; a minute or two on one core."""

    output_dir: str = "runs/build-base-calculator"
    """Where the model is written."""
    skill_steps: PositiveInt = 350
    """Steps on mostly called episodes."""
    habit_steps: PositiveInt = 100
    """Steps on mostly guesses."""
    batch: PositiveInt = 64
    """Episodes in a step."""
    learning_rate: LearningRate = 4e-3
    """Highest learning rate; it falls linearly to a fiftieth, and begins at a quarter in the second phase."""
    seed: Seed = 0
    """Seed of weights and episodes."""

    def __call__(self) -> Mapping[str, object]:
        """Train and save.

        Raises:
            SteelyardError: the output directory is not empty, or cannot be made.
        """
        directory = Path(self.output_dir)
        check_output(directory)
        torch.set_num_threads(1)  # so that the weights do not depend on the number of cores
        began = time.monotonic()
        policy = new_policy(self.seed)
        for learner, steps, share in self._phases(policy):
            carry_out(learner, steps, partial(self._batch, policy=policy, share=share), began)
        save_new(policy, directory)
        print(f"model: {directory}")
        return {"model": str(directory), "seconds": time.monotonic() - began}

    def _phases(self, policy: Policy) -> Iterator[tuple[Learner, range, float]]:
        """A learner, the numbers of its steps, and the share of called episodes."""
        first = range(self.skill_steps)
        warmup = min(100, len(first) // 2)
        yield imitating(policy, self.learning_rate, warmup=warmup, steps=len(first)), first, SKILL
        last = range(first.stop, first.stop + self.habit_steps)
        yield imitating(policy, HABIT_RATE * self.learning_rate, warmup=0, steps=len(last)), last, HABIT

    def _batch(self, step: int, policy: Policy, share: float) -> list[list[Trajectory]]:
        draws = rng(self.seed, "warmstart", step)
        return [[_played(policy, draws, called=bool(draws.random() < share))] for _ in range(self.batch)]


def new_policy(seed: int) -> Policy:
    """The untrained model with its tokenizer and chat template."""
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import Split

    made = tiny_policy(SYMBOLS, seed=seed, width=64, layers=3, heads=4, context=96)
    tokenizer = made.tokenizer
    longest = "|".join(sorted(map(re.escape, SYMBOLS), key=len, reverse=True))
    tokenizer.backend_tokenizer.pre_tokenizer = Split(Regex(longest), "isolated")
    tokenizer.chat_template = TEMPLATE
    return made


def call(expression: str) -> str:
    """A turn that asks the calculator."""
    return f'{BEGIN}calculate{MIDDLE}expression": "{expression}{END}'


def _played(policy: Policy, draws: np.random.Generator, *, called: bool) -> Trajectory:
    """An episode as a trajectory to imitate: the tokens of the assistant's turns are its actions."""
    a, b = (int(x) for x in draws.integers(10, 100, 2))
    parts = [(f"calculate(expression)\n<user>{a}*{b}<eos><assistant>", False)]
    if called:
        result = PocketCalculator().calculate(f"{a}*{b}")
        parts += [(f"{call(f'{a}*{b}')}<eos>", True), (f"<tool>{result}<eos><assistant>", False)]
        parts += [(f"{result}<eos>", True)]
    else:
        parts += [(f"{round(a * b, -2)}<eos>", True)]
    rows = [(policy.tokenizer.encode(text, add_special_tokens=False), own) for text, own in parts]
    tokens = [token for row, _ in rows for token in row]
    action = [own for row, own in rows for _ in row]
    return given(f"{a}*{b}", tokens, (), reward=1.0).replace(action_T=np.array(action))
