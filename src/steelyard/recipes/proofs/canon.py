"""Length-CANON on scratchpads: shorter at equal accuracy, where a fixed price of length costs accuracy.

A tiny model imitates scratchpads. On easy problems half of them are in full and half in short, and both are right. On
hard problems most are in full, with two steps in five guessed, and the others too short, so wrong: the long way is the
only one, and fails four times in five at first. Each arm trains the model on-policy. `canon` favours short answers
by alpha = 0.8. `canon-random`, the control, is the same with groups halved at random. `dr-grpo` knows no length.
`penalty` is Dr. GRPO on the reward minus a price of length, 0.4 for a scratchpad in full: where all answers are right,
CANON sets its halves that far apart. `penalty-half` asks half of it. `accuracy` and `length` (tokens, end included) are
means over samples for held-out problems, half of them hard.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from steelyard.core import Batch, Loss, derive, stream
from steelyard.objective import CANON, DrGRPO, Objective
from steelyard.policy import Policy
from steelyard.recipes.lab import Lab, imitate, tiny_policy
from steelyard.recipes.proving import Claim, Proof
from steelyard.task import Scratchpad
from steelyard.task.scratchpad import CHARACTERS, CLOCK, TERMS, written

ALPHA, GUESSED, IN_FULL = 0.8, 0.4, {True: 0.5, False: 0.85}
LONGEST = 3 * TERMS + 1


@dataclass(frozen=True)
class Priced:
    """Dr. GRPO on the reward minus a price of length: `price` for a scratchpad in full."""

    price: float

    def __call__(self, batch: Batch) -> Loss:
        """The loss."""
        length_PG = batch.action_PGT.sum(-1) / LONGEST
        return DrGRPO(max_length=LONGEST)(batch.replace(reward_PG=batch.needs("reward_PG") - self.price * length_PG))


class Halved:
    """CANON with groups halved at random: what is called entropy is drawn."""

    def __init__(self, seed: int) -> None:
        self._canon, self._draw = CANON(alpha=ALPHA, max_length=LONGEST), torch.Generator().manual_seed(seed)

    def __call__(self, batch: Batch) -> Loss:
        """The loss."""
        drawn_PG1 = torch.rand(*batch.valid_PG.shape, 1, generator=self._draw)
        return self._canon(batch.replace(entropy_PGT=drawn_PG1.expand_as(batch.logp_PGT)))


def measure(seed: int, quick: bool) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The imitating model, then each arm from there."""
    torch.set_num_threads(1)
    task = Scratchpad(data_seed=seed)
    policy = beginner(task, seed, steps=300 if quick else 700)
    arms: dict[str, Objective] = {
        "dr-grpo": DrGRPO(max_length=LONGEST),
        "canon": CANON(trait="length", alpha=ALPHA, max_length=LONGEST),
        "penalty": Priced(2 * (1 - ALPHA)),
        "canon-random": Halved(derive(seed, "halves")),
        "penalty-half": Priced(1 - ALPHA),
    }
    for arm, objective in arms.items():
        lab = Lab(policy, task, objective, learning_rate=5e-4, seed=seed, max_tokens=LONGEST + 3)
        lab.run(25 if quick else 160, 16)
        yield arm, quality(lab, task)


def beginner(task: Scratchpad, seed: int, steps: int) -> Policy:
    """A model that writes in full most of the time, and guesses a step of a hard problem now and then."""
    policy, draws, pairs = tiny_policy(CHARACTERS, seed=seed, context=32), stream(seed, "pads"), []
    prompts = task.prompts("train")
    for i in draws.integers(len(prompts), size=6000):
        numbers, easy = prompts[i].columns["numbers"], prompts[i].columns["easy"]
        left_out = draws.permutation(TERMS)[int(draws.integers(1, 3)) :]
        short = [n > 0 for n in numbers[:-1]] if easy else [k not in left_out for k in range(TERMS)]
        kept = [True] * TERMS if draws.random() < IN_FULL[easy] else short
        off = draws.integers(1, CLOCK, size=TERMS) * (draws.random(TERMS) < (0 if easy else GUESSED))
        pairs.append((str(prompts[i].text), written(numbers, kept, off.tolist())))
    imitate(policy, pairs, steps=steps, batch=64, learning_rate=4e-3, seed=seed)
    return policy


def quality(lab: Lab, task: Scratchpad) -> dict[str, float]:
    """Accuracy and length, over all and over each kind."""
    groups = lab.sampled(task.prompts("held-out"), 4)
    found: dict[str, float] = {}
    for name, kinds in (("", (0.0, 1.0)), ("-hard", (0.0,)), ("-easy", (1.0,))):
        some = [t for group in groups for t in group if t.reward_parts["easy"] in kinds]
        found[f"accuracy{name}"] = float(np.mean([t.reward or 0.0 for t in some]))
        found[f"length{name}"] = float(np.mean([int(t.action_T.sum()) for t in some]))
    return found


PROOF = Proof(
    ours="canon",
    control="canon-random",
    equal="the imitating model, 160 steps of 16 prompts with 8 samples each, learning rate, temperature",
    claims=(
        Claim("CANON's answers are a fifth shorter than Dr. GRPO's", "length", "dr-grpo", 0.2, True, True),
        Claim("Its accuracy is not more than 3 points below Dr. GRPO's", "accuracy", "dr-grpo", -0.03),
        Claim("A fixed price of length with the same pull costs 10 points of accuracy", "accuracy", "penalty", 0.1),
    ),
    measure=measure,
)
