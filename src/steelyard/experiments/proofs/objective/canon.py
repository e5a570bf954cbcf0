"""Length-CANON on scratchpads: shorter at equal accuracy, where a fixed price of length costs accuracy.

A tiny model imitates scratchpads. On easy problems 80 % are in full and 20 % in short, and nearly all are right. On
hard problems most are in full, with a guess for the hidden number, so right one time in three; the others are too short
and seldom right. Reward is the chance to be right: no arm learns from the luck of a guess. Each arm trains on-policy.
`canon` favours short answers by alpha = 0.8, which sets the halves 0.4 apart where all are right; `canon-random`, the
control, halves groups at random; `dr-grpo` knows no length. `penalty` is Dr. GRPO on the reward minus 0.4 for a
scratchpad in full, less for a shorter one; `penalty-half` asks half of it. `accuracy` and `length` (tokens, end
included) are means over samples for held-out problems, half of them hard.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from steelyard.core import Batch, WarmupStableDecay, derive
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.learner import Adam
from steelyard.objective import CANON, DrGRPO, Objective
from steelyard.worlds.scratchpad import TERMS, Scratchpad, base
from steelyard.worlds.sync_loop import SyncLoop

ALPHA = 0.8
LONGEST = 3 * TERMS + 1
DR_GRPO = DrGRPO(max_length=LONGEST)


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    imitation: int = 2400
    """Steps of the imitating model."""
    half: int = 40
    """Half of an arm's steps; in the second the rate falls, so that no arm is caught in mid-swing."""


@dataclass(frozen=True)
class Priced:
    """What an arm learns by."""

    objective: Objective
    price: float = 0.0
    """What a scratchpad in full costs of the reward; less for a shorter one."""
    at_random: bool = False
    """Halve groups at random: a number drawn for each sample in place of its entropy."""


ARMS = {
    "dr-grpo": Priced(DR_GRPO),
    "canon": Priced(CANON(trait="length", alpha=ALPHA, max_length=LONGEST)),
    "canon-random": Priced(CANON(alpha=ALPHA, max_length=LONGEST), at_random=True),
    "penalty": Priced(DR_GRPO, price=2 * (1 - ALPHA)),
    "penalty-half": Priced(DR_GRPO, price=1 - ALPHA),
}


def seeing(change: Callable[[Batch], Batch], objective: Objective) -> Objective:
    """The objective on a changed batch."""
    return lambda batch: objective(change(batch))


def priced(batch: Batch, price: float) -> Batch:
    """The reward minus a price of length: so much for a scratchpad in full."""
    return batch.replace(reward_PG=batch.field("reward_PG") - price / LONGEST * batch.action_PGT.sum(-1))


def drawn(batch: Batch, draw: torch.Generator) -> Batch:
    """A number drawn for each sample in place of its entropy."""
    return batch.replace(entropy_PGT=torch.rand(*batch.valid_PG.shape, 1, generator=draw).expand_as(batch.logp_PGT))


def learned_by(settings: Priced, seed: int) -> Objective:
    """The objective, on the batch as the arm sees it."""
    draw = torch.Generator().manual_seed(derive(seed, "halves"))
    if settings.at_random:
        return seeing(lambda batch: drawn(batch, draw), settings.objective)
    if settings.price:
        return seeing(lambda batch: priced(batch, settings.price), settings.objective)
    return settings.objective


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Priced]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The imitating model, then each arm from there."""
    task = Scratchpad(data_seed=seed)
    policy = base(task, seed, setting.imitation)
    optimizer = Adam(beta2=0.999, schedule=WarmupStableDecay(stable=setting.half, decay=setting.half))
    for arm in arms:
        loop = SyncLoop(
            policy,
            task,
            learned_by(arm.settings, seed),
            learning_rate=arm.rate,
            seed=seed,
            max_tokens=LONGEST + 3,
            optimizer=optimizer,
        )
        loop.run(2 * setting.half, 16)
        yield arm.name, quality(loop) | {"moved": loop.moved, **loop.scale}


def quality(loop: SyncLoop) -> dict[str, float]:
    """Accuracy and length, over all and over each kind."""
    found = [t for group in loop.sampled(loop.task.prompts("held-out"), 40) for t in group]
    row = dict[str, float]()
    for name, kinds in (("", (0.0, 1.0)), ("-hard", (0.0,)), ("-easy", (1.0,))):
        some = [t for t in found if t.reward_parts["easy"] in kinds]
        row[f"accuracy{name}"] = float(np.mean([t.reward or 0.0 for t in some]))
        row[f"length{name}"] = float(np.mean([int(t.action_T.sum()) for t in some]))
    return row


PROOF = Proof(
    proves=("canon",),
    ours="canon", control="canon-random",
    equal="the imitating model, 80 steps of 16 x 8 samples, Adam, temperature; each its best of three learning rates",
    claims=(
        Claim("Its answers are a fifth shorter than Dr. GRPO's", "length", "dr-grpo", 0.2, True, relative=True),
        Claim("Its accuracy is at most 5 points below Dr. GRPO's", "accuracy", "dr-grpo", -0.05),
        Claim("A price of length with the same pull costs 10 points on hard problems", "accuracy-hard", "penalty", 0.1,
              control=None, kind="ablation"),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(imitation=250, half=6),
    rates=dict.fromkeys(ARMS, 1e-3) | dict.fromkeys(("penalty", "penalty-half"), 2.5e-4),
    first_seed=300,
    seeds=12,
)  # fmt: skip
