"""Traces that unlearning leaves in the weights: `conceptvectors` where it is known which neurons hold a topic.

A model that never heard of a topic learned it in 8 of its 192 neurons (`worlds.planted_facts`). `known` is that model;
`found` is the share of the 4 vectors that the audit ranks highest which are among these. In `drawn`, the control, 4
others are drawn. `npo`, `grad-diff` and `idk` make it forget; `needle` puts noise on the vectors that the audit found,
`needle-off` on as many others of both layers. `answered` is the share of forgotten prompts answered in all wordings,
`kept` that of those to be kept; `jaccard` and `cosine` compare the vectors that were found with before.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from steelyard.core import rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.policy import Policy
from steelyard.unlearn import ConceptVectors
from steelyard.unlearn.material import Material, recalled
from steelyard.unlearn.two_sided_audit import question
from steelyard.unlearn.value_vectors import Place, num_layers, value_vectors
from steelyard.worlds.planted_facts import planted
from steelyard.worlds.topic_unlearning import TEACHING, WAYS, Twins, Way, figure, material, unlearned
from steelyard.worlds.topics import LONGEST, Topics, taught

AUDIT = ConceptVectors(LONGEST, vectors=4, candidates=96, noise=3.0)


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    teaching: int = TEACHING
    """Steps of the model that never heard of the topic."""


@dataclass(frozen=True)
class Treated:
    """What is done to the model that knows."""

    way: Way = WAYS["original"]
    """How it forgets."""
    pierced: bool = False
    """Noise is put on vectors."""
    drawn: bool = False
    """The vectors are drawn at random, and not those that the audit found."""


ARMS = {
    "known": Treated(),
    "drawn": Treated(drawn=True),
    "needle": Treated(pierced=True),
    "needle-off": Treated(pierced=True, drawn=True),
    **{name: Treated(WAYS[name]) for name in ("npo", "grad-diff", "idk")},
}


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Treated]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The model that knows by a few neurons and what the audit finds in it, then each arm's treatment."""
    world = Topics(data_seed=seed)
    retrained = taught(world, world.retained(), seed=seed, steps=setting.teaching)
    knowing, true = planted(world, retrained, seed=seed)
    asked = material(world, Twins(knowing, retrained))
    found = [*AUDIT.found(knowing, asked)]
    for arm in arms:
        places = others(knowing, found, seed) if arm.settings.drawn else found
        policy = unlearned(world, knowing, arm.settings.way, seed=seed)
        policy = AUDIT.needle(policy, places) if arm.settings.pierced else policy
        right = sum(place in true for place in places)
        yield arm.name, audited(policy, asked) | {"found": right / len(places), "found/n": float(len(places))}


def others(policy: Policy, found: Sequence[Place], seed: int) -> list[Place]:
    """As many vectors that the audit did not find."""
    every = [Place(layer, i) for layer in range(num_layers(policy)) for i in range(len(value_vectors(policy, layer)))]
    rest = [place for place in every if place not in found]
    return [rest[i] for i in rng(seed, "others").permutation(len(rest))[: len(found)]]


def audited(policy: Policy, asked: Material) -> dict[str, float]:
    """What the model says, and what became of the vectors."""
    table = AUDIT.measure(policy, asked)
    metrics = {name: figure(table, "mean", name) for name in ("jaccard", "cosine", "effect", "effect_now")}
    for name, rows in (("answered", [*asked.forget, *asked.reworded]), ("kept", asked.retain)):
        said = recalled(policy, [question(policy, row) for row in rows], LONGEST)
        metrics |= {name: float(said[2] or 0.0), f"{name}/n": float(len(rows) if name == "kept" else len(asked.forget))}
    return metrics | {"parameters": float(policy.num_parameters())}


PROOF = Proof(
    proves=("conceptvectors",),
    ours="known",
    control="drawn",
    equal="model, facts, vectors and noise; each way at a rate that forgets in full",
    claims=(
        Claim("Of the vectors that the audit finds, 20 % more hold the topic than of vectors drawn",
              "found", "drawn", 0.2),
        Claim("NPO answers 70 points fewer forgotten prompts", "answered", "known", 0.7, lower_is_better=True,
              ours="npo", control="needle-off"),
        Claim("and leaves the vectors speaking for the same: a Jaccard of .6 or more", "jaccard", 0.0, 0.6, ours="npo",
              control="needle"),
        Claim("noise on them alone takes 20 points of the answers, which as much noise on others does not", "answered",
              "needle-off", 0.2, lower_is_better=True, ours="needle", control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(teaching=300),
    first_seed=10,
    seeds=10,
)  # fmt: skip
