"""Shared by the proofs on taking a skill from a model: whom it is taken from, pruning as the baseline, what is left.

Selective pruning sets what the neurons of some value vectors call for to 0: those that call more loudly in the skill to
be forgotten, by the ratio of mean magnitudes, as the skill-unlearning paper's code has it after Pochinkov and Schoots
2024, arXiv:2403.01267.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from steelyard.core import Prompt
from steelyard.learner import demonstration
from steelyard.model.intervention import KEYS, Intervention, Pass
from steelyard.policy import Policy
from steelyard.rollout.greedy import greedy
from steelyard.task.answered import Answered
from steelyard.unlearn.neuron_adjust import chosen
from steelyard.unlearn.neuron_states import demonstrated, states
from steelyard.unlearn.value_vectors import num_layers
from steelyard.worlds.several_skills import LONGEST, NEAR, SKILLS, SeveralSkills, Skill

ROWS = 100
"""Training prompts of each skill that a method is shown."""
TINY = 1e-8
"""Added to a magnitude that is divided by."""
NEXT: Mapping[Skill, Skill] = dict(zip(SKILLS, (*SKILLS[1:-1], SKILLS[0], SKILLS[1]), strict=True))
"""A skill on other symbols."""
Taking = Callable[[Policy, Sequence[Answered], Sequence[Answered]], Intervention]
"""Finds what takes a skill away: given the policy, rows of the skill, and rows of the others."""


@dataclass(frozen=True)
class Pruned:
    """Neurons that call for nothing."""

    neurons: Mapping[str, Int[Tensor, "K"]]
    """Site -> their numbers."""

    def sites(self, num_layers: int) -> Sequence[str]:
        """Those that have such neurons."""
        return tuple(self.neurons)

    def change(self, site: str, hidden_NTD: Float[Tensor, "N T M"], reads: Pass) -> Float[Tensor, "N T M"]:
        """The keys, 0 in these numbers."""
        changed_NTM = hidden_NTD.clone()
        changed_NTM[..., self.neurons[site]] = 0.0
        return changed_NTM


def pruned(policy: Policy, forget: Sequence[Answered], retain: Sequence[Answered], part: float) -> Pruned:
    """Prune so large a part of all neurons."""
    sites = [f"layers.{i}{KEYS}" for i in range(num_layers(policy))]
    loud: list[dict[str, Tensor]] = []
    for rows in (forget, retain):
        read = demonstrated(policy, rows)
        found = states(policy, read, sites, [range(len(t.tokens_T)) for t in read])
        loud.append({site: key_KM.abs().mean(0) for site, key_KM in found.items()})
    return Pruned(chosen({site: loud[0][site] / (loud[1][site] + TINY) for site in sites}, part))


def answered(prompts: Iterable[Prompt]) -> list[Answered]:
    """Prompts as rows of a file."""
    return [Answered(prompt, prompt.columns["answer"]) for prompt in prompts]


class Bench:
    """A model, and the held-out prompts of each skill that it answers right."""

    def __init__(self, world: SeveralSkills, policy: Policy) -> None:
        self.policy = policy
        self.shown = {skill: answered(world.of(skill, "train")[:ROWS]) for skill in SKILLS}
        asked = {skill: world.of(skill, "held-out") for skill in SKILLS}
        self.known = {
            skill: [prompt for prompt, right in zip(of, self.right(of), strict=True) if right]
            for skill, of in asked.items()
        }

    def right(self, prompts: Sequence[Prompt]) -> list[bool]:
        """Which prompts the model answers right, as it is."""
        rows = [demonstration(self.policy, prompt, prompt.columns["answer"]) for prompt in prompts]
        said = greedy(self.policy, rows, LONGEST)
        return [np.array_equal(a, t.completion_T) for a, t in zip(said, rows, strict=True)]

    def taken(self, taking: Taking, *, instead: bool = False) -> dict[str, tuple[int, int]]:
        """What is taken from each skill in turn, and what others keep, of the prompts that the model knew.

        Args:
            taking: what is done.
            instead: show the rows of the next skill in the place of its own.

        Returns:
            lost, kept and kept_near: how many prompts, of how many. Near are those of the skill on the same letters.
        """
        found = {"lost": (0, 0), "kept": (0, 0), "kept_near": (0, 0)}
        for skill in SKILLS:
            source = NEXT[skill] if instead else skill
            others = [row for other in SKILLS if other != source for row in self.shown[other]]
            self.policy.intervene(taking(self.policy, self.shown[source], others))
            for other in SKILLS:
                right, number = sum(self.right(self.known[other])), len(self.known[other])
                name = "lost" if other == skill else "kept_near" if other == NEAR.get(skill) else "kept"
                count, of = found[name]
                found[name] = count + (number - right if name == "lost" else right), of + number
            self.policy.intervene(None)
        return found
