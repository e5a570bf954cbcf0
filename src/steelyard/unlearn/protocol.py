"""The unlearning loop: epochs over the forgotten prompts, each paired with a retained prompt.

As in the experiments of Zhang et al. 2024 (arXiv:2404.05868): the forgotten prompts are shuffled each epoch, each is
paired with a random retained prompt, and the model before unlearning is the reference.
"""

from collections.abc import Iterator, Sequence

from steelyard.core import Group, require, rng
from steelyard.core.json import JsonObject
from steelyard.learner import Adam, Learner
from steelyard.objective import Objective
from steelyard.policy import Policy
from steelyard.policy.reference import reference_logp


def unlearn(
    policy: Policy,
    objective: Objective,
    forget: Sequence[Group],
    retain: Sequence[Group],
    *,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
    optimizer: Adam | None = None,
) -> Iterator[JsonObject]:
    """Unlearn in place; yield the metrics after each step, so that the caller can audit the model in between.

    Args:
        policy: the model to change; its weights at the start are the reference.
        objective: an objective of this room, or any other.
        forget: completions of the prompts to be forgotten, whose label `retain` is false.
        retain: completions of prompts to be kept, whose label `retain` is true; empty for none.
        epochs: passes over the forgotten prompts.
        batch: forgotten prompts in a step; as many retained ones are added.
        learning_rate: the peak of the optimizer's schedule.
        seed: seed of the order.
        optimizer: Adam's settings; the default has weight decay 0.01, as the paper's code.

    Raises:
        SteelyardError: there is nothing to forget.
    """
    require(len(forget) > 0, "there is nothing to forget", where="unlearn", hint="give at least one group")
    learner = Learner(policy, objective, optimizer or Adam(weight_decay=0.01), learning_rate=learning_rate)
    forget, retain = ([_referred(learner, group) for group in groups] for groups in (forget, retain))
    for epoch in range(epochs):
        draws = rng(seed, "unlearn", epoch)
        order = draws.permutation(len(forget))
        beside = draws.integers(len(retain), size=len(forget)) if retain else order[:0]
        for start in range(0, len(forget), batch):
            turn = slice(start, start + batch)
            yield learner.step([*(forget[i] for i in order[turn]), *(retain[i] for i in beside[turn])])


def _referred(learner: Learner, group: Group) -> Group:
    return reference_logp(learner.policy, learner.reference, group, learner.temperature)
