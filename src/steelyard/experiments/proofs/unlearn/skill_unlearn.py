"""Key Space Detection on four skills of a small model, each of which is taken in turn.

Addition works on digits, matching on brackets, reversal and sorting on the same letters. A method is shown 100 rows of
the skill to be forgotten and 100 of each other. Arms: ksd; pruning, selective pruning of neurons; and ksd-off, whose
box is that of a skill on other symbols. All figures are shares of held-out prompts that the model answered before:
`lost` of the forgotten skill, `kept` of skills on other symbols, `kept_near` of the skill on the same letters, of which
nothing is claimed. `apart` is lost + kept - 1. Each arm has the amount (scale of the box, share of neurons) of four
with the largest `apart` on seeds from 900.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.unlearn import KeySpaceDetection, NeuronAdjust
from steelyard.worlds.several_skills import SeveralSkills, base
from steelyard.worlds.skill_taking import Bench, Taking, pruned


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: SeveralSkills
    teaching: int = 500
    """Steps of the model that knows all skills."""


@dataclass(frozen=True)
class Takes:
    """How an arm takes a skill."""

    way: Literal["detect", "adjust", "prune"]
    amount: float
    """Scale of the box, or the share of neurons."""
    instead: bool = False
    """It is shown a skill on other symbols in the place of the one to be forgotten."""


ARMS = {
    "ksd": Takes("detect", 1.0),
    "ksd-off": Takes("detect", 1.0, instead=True),
    "pruning": Takes("prune", 0.2),
}


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Takes]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The model, and what each arm takes from it."""
    world = replace(setting.world, data_seed=seed)
    bench = Bench(world, base(world, seed, setting.teaching))
    known = {f"known_{skill}": float(len(prompts)) for skill, prompts in bench.known.items()}
    for arm in arms:
        found = bench.taken(taking(arm.settings, seed), instead=arm.settings.instead)
        told = {key: x for name, (count, number) in found.items() for key, x in share(name, count, number).items()}
        size = float(bench.policy.num_parameters())
        yield arm.name, told | known | {"apart": told["lost"] + told["kept"] - 1, "parameters": size}


def taking(takes: Takes, seed: int) -> Taking:
    """What the arm does."""
    if takes.way == "detect":
        return lambda policy, forget, retain: KeySpaceDetection(scale=takes.amount).fitted(policy, forget)
    if takes.way == "adjust":
        return partial(NeuronAdjust(share=takes.amount).fitted, seed=seed)
    return partial(pruned, part=takes.amount)


PROOF = Proof(
    proves=("skill-unlearn",),
    ours="ksd",
    control="ksd-off",
    equal="the model, 100 rows of each skill, and the best of four amounts",
    claims=(
        Claim("Of what the model knew of the skill, 80 % is lost", "lost", 0.0, 0.8),
        Claim("Of skills on other symbols 90 % is kept", "kept", 0.0, 0.9),
        Claim("The two come apart 10 points further than by selective pruning", "apart", "pruning", 0.1),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(SeveralSkills()),
    quick=Setting(SeveralSkills(held_out=30), teaching=300),
    first_seed=10,
    seeds=4,
)  # fmt: skip
