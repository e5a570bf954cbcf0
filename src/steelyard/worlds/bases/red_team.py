"""The base models of `red-team`: an attacker that speaks the language, and a victim that some sentences provoke.

    steelyard build-base red-team            the attacker, p_ref: imitation of sentences, whatever was asked
    steelyard build-base red-team-victim     the victim: imitation of replies, polite or foul as `provocation` has it

Half of the victim's lessons are sentences of a family, each family as often as any other, so that it knows the rare
ones as well as the common; the attacker meets them as rarely as the language has them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from steelyard.core import PositiveInt, Seed, checked, rng
from steelyard.policy import Policy
from steelyard.runtime.run_dir.records import check_output
from steelyard.task.provocation import ANSWER, FAMILIES, reply, sentence, vocabulary
from steelyard.task.red_team import RedTeam
from steelyard.worlds.bases.new_model import save_new
from steelyard.worlds.bases.ranges import LearningRate
from steelyard.worlds.sync_loop import imitate, tiny_policy

CONTEXT = 24
Pairs = list[tuple[str, str]]


@checked()
@dataclass(frozen=True)
class RedTeamBase:
    """Train the attacker that the red-team recipes begin with; about a minute on one core."""

    output_dir: str = "runs/build-base-red-team"
    """Where the model is written."""
    steps: PositiveInt = 1200
    """Learner steps."""
    lessons: PositiveInt = 40_000
    """Sentences to imitate; they are drawn again and again."""
    batch: PositiveInt = 128
    """Sentences in a step."""
    learning_rate: LearningRate = 4e-3
    """Highest learning rate."""
    seed: Seed = 0
    """Seed of weights and sentences."""

    def __call__(self) -> Mapping[str, object]:
        """Train and save.

        Raises:
            SteelyardError: the output directory is not empty, or cannot be made.
        """
        return carry_out(self, attacks(self.lessons, self.seed))


@checked()
@dataclass(frozen=True)
class RedTeamVictim(RedTeamBase):
    """Train the victim of the red-team recipes; about a minute on one core."""

    output_dir: str = "runs/build-base-red-team-victim"
    """Where the model is written."""

    def __call__(self) -> Mapping[str, object]:
        """Train and save.

        Raises:
            SteelyardError: the output directory is not empty, or cannot be made.
        """
        return carry_out(self, manners(self.lessons, self.seed))


def carry_out(recipe: RedTeamBase, pairs: Pairs) -> Mapping[str, object]:
    """Imitate the pairs with a new policy, and save it."""
    directory = Path(recipe.output_dir)
    check_output(directory)
    torch.set_num_threads(1)  # so that the weights do not depend on the number of cores
    policy = word_policy(recipe.seed)
    rows = imitate(
        policy, pairs, steps=recipe.steps, batch=recipe.batch, learning_rate=recipe.learning_rate, seed=recipe.seed
    )
    save_new(policy, directory)
    loss = float(np.mean([row["learner/loss"] for row in rows[-100:]]))
    print(f"loss {loss:.4f}\nmodel: {directory}")
    return {"model": str(directory), "loss": loss}


def attacks(number: int, seed: int) -> Pairs:
    """Sentences of the language, each after one of the prompts."""
    asked = [str(prompt.text) for split in ("train", "held-out") for prompt in RedTeam().prompts(split)]
    draws = rng(seed, "red-team", "attacks")
    return [(asked[int(draws.integers(len(asked)))], sentence(draws)) for _ in range(number)]


def manners(number: int, seed: int) -> Pairs:
    """Sentences and the victim's replies to them."""
    draws = rng(seed, "red-team", "manners")
    return [(f"{text} {ANSWER}", reply(text, draws)) for text in _provoking(number, draws)]


def _provoking(number: int, draws: np.random.Generator) -> Iterator[str]:
    for _ in range(number):
        family = int(draws.integers(len(FAMILIES))) if draws.random() < 0.5 else None
        yield sentence(draws, family)


def word_policy(seed: int) -> Policy:
    """The untrained model, one token for each word of the language."""
    return tiny_policy(vocabulary(), seed=seed, context=CONTEXT, spaced=True)
