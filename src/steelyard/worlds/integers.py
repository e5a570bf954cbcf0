"""A digit on demand: many right answers of one token, of which the base model hardly knows more than three.

    a=       the problem: say a digit
    4        a completion: one token, as likely as the policy makes it

    P(nth digit of the problem's own order) = (1 - ratio) ratio^n / (1 - ratio^10),    n = 0 .. 9

Each letter has an order of its own, of which nothing can be learned from another letter. Either all digits
are right, and only a set of samples can be better or worse, as with random numbers, names or images that should not all
be alike; or where `half` is true every second digit of the order is right, from n = 1 on, and the reward says so: about
three of eight answers of the base model are right then, and to imitate one of them says little about the others.
Known exactly: the policy's law over digits (`laws`), how much of it is right, its total variation from the uniform law,
and its entropy. It is not on the shelf's table: with all digits right no method gains reward.
Source: the task of random numbers in Wang et al. 2024, arXiv:2410.12138; the base model is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float64
from msgspec import Meta

from steelyard.core import Episode, Prompt, Score, Share, checked, rng
from steelyard.policy import Policy
from steelyard.task.base import check_split
from steelyard.worlds.sync_loop import imitate, tiny_policy

DIGITS = "0123456789"


@checked("integers")
@dataclass(frozen=True)
class Integers:
    """Letters that each ask for a digit."""

    problems: Annotated[int, Meta(ge=1, le=len(ascii_lowercase))] = 16
    """How many letters; both splits have all of them, as what counts is the law of the answers."""
    ratio: Share = 0.6
    """How much rarer the base model is shown each next digit of a problem's order."""
    half: bool = False
    """Whether only every second digit is right."""
    data_seed: int = 0
    """Of the orders."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """All problems, the same for both splits.

        Raises:
            SteelyardError: there is no such split.
        """
        check_split(split)
        return [Prompt(f"{letter}=", f"{letter}=") for letter in ascii_lowercase[: self.problems]]

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 for a right digit, 0 for anything else."""
        return [Score(float(len(e.completion) == 1 and e.completion in self.right(e.prompt))) for e in episodes]

    def right(self, prompt: Prompt) -> str:
        """The right digits of a problem, one after the other."""
        return "".join(self._order(prompt)[1::2]) if self.half else DIGITS

    def shown(self, prompt: Prompt, number: int) -> list[str]:
        """What a base model is shown: so many digits, drawn by the skewed law."""
        weight_N = self.ratio ** np.arange(len(DIGITS))
        draws = rng(self.data_seed, "integers", "shown", prompt.id)
        order = self._order(prompt)
        return [order[n] for n in draws.choice(len(DIGITS), size=number, p=weight_N / weight_N.sum())]

    def _order(self, prompt: Prompt) -> list[str]:
        return [DIGITS[i] for i in rng(self.data_seed, "integers", "order", prompt.id).permutation(len(DIGITS))]


def base(task: Integers, seed: int, steps: int = 300) -> Policy:
    """A model that says the digits about as often as it was shown them."""
    policy = tiny_policy(DIGITS + ascii_lowercase + "=", seed=seed, width=32, context=8)
    pairs = [(str(p.text), digit) for p in task.prompts("train") for digit in task.shown(p, 400)]
    imitate(policy, pairs, steps=steps, batch=128, learning_rate=5e-3, seed=seed)
    return policy


@torch.no_grad()
def laws(policy: Policy, task: Integers) -> Float64[np.ndarray, "P N"]:
    """The exact probability of each of the N = 10 digits after each of P problems; what is missing to 1 is no digit."""
    tokens_PT = torch.tensor([policy.encode(str(prompt.text)) for prompt in task.prompts("held-out")])
    digits_N = [policy.encode(digit)[0] for digit in DIGITS]
    return policy.next_logp(tokens_PT)[:, -1, digits_N].double().exp().numpy()


def right_share(law_PN: Float64[np.ndarray, "P N"], task: Integers) -> Float64[np.ndarray, "P"]:
    """How much of each law falls on right digits."""
    right_PN = np.array([[digit in task.right(prompt) for digit in DIGITS] for prompt in task.prompts("held-out")])
    return law_PN.sum(1, where=right_PN)


def from_uniform(law_PN: Float64[np.ndarray, "P N"]) -> Float64[np.ndarray, "P"]:
    """The total variation between each law and the uniform one: half the sum of |p - 1/N|, and of what is no digit."""
    beside_P = 1 - law_PN.sum(1)
    return (np.abs(law_PN - 1 / law_PN.shape[1]).sum(1) + beside_P) / 2


def entropy(law_PN: Float64[np.ndarray, "P N"]) -> Float64[np.ndarray, "P"]:
    """Of each law, in nats; at most log N."""
    share_PN = law_PN / law_PN.sum(1, keepdims=True)
    return -(share_PN * np.log(np.maximum(share_PN, 1e-300))).sum(1)
