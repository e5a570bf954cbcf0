"""Facts that are known to lie in a few neurons: what an audit that looks for knowledge in weights should find.

A model that never heard of a topic learns it in chosen neurons of its last feed-forward part alone: what calls for them
and what they say (rows of the gate and of the up-projection, and their value vectors). All other weights stay as they
are, so that what it knows of the topic is there and nowhere else.
"""

import torch

from steelyard.core import rng
from steelyard.learner import Adam, Learner, demonstration
from steelyard.model.intervention import site_module
from steelyard.objective import SFT
from steelyard.policy import Policy
from steelyard.policy.copied import copied
from steelyard.unlearn.value_vectors import Place, num_layers, value_vectors
from steelyard.worlds.topic_unlearning import answered
from steelyard.worlds.topics import FORGOTTEN, Topics

NEURONS = 8
"""Of 96 in the layer."""
STEPS = 200
BATCH = 48
"""Forgotten facts in a step, and as many of all."""
RATE = 2e-2


def planted(world: Topics, retrained: Policy, *, seed: int) -> tuple[Policy, frozenset[Place]]:
    """The model that knows by these neurons, and where their value vectors are."""
    policy = copied(retrained)
    layer = num_layers(policy) - 1
    draws = rng(seed, "planted")
    part = site_module(policy.model, num_layers(policy), f"layers.{layer}.mlp")
    matrices = [
        value_vectors(policy, layer),
        *(part.get_parameter(f"{n}_proj.weight").detach() for n in ("gate", "up")),
    ]
    chosen = sorted(draws.permutation(len(matrices[0]))[:NEURONS].tolist())
    before = {name: weight.clone() for name, weight in policy.model.state_dict().items()}
    learner = Learner(policy, SFT(), Adam(), learning_rate=RATE)
    lessons = [
        (fact.topic == FORGOTTEN, demonstration(policy, prompt, row.answer))
        for fact in world.facts()
        for row in (answered(fact),)
        for prompt in (row.prompt, *row.reworded)
    ]
    parts = [t for forget, t in lessons if forget], [t for _, t in lessons]
    for _ in range(STEPS):
        learner.step([[rows[i]] for rows in parts for i in draws.integers(len(rows), size=BATCH)])
        grown = [matrix[chosen].clone() for matrix in matrices]
        policy.model.load_state_dict(before)
        for matrix, rows in zip(matrices, grown, strict=True):
            matrix[torch.tensor(chosen)] = rows
    return policy, frozenset(Place(layer, number) for number in chosen)
