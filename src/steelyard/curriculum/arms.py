"""What the curricula over domains share: the prompts of each domain, and what there is to learn from what was found.

An arm is a domain: the prompts with the same number in their column `domain`. Its prompts are walked in seeded
permutations, each once per epoch. What a group of samples is worth to the learner is read off its advantages:

    A_j = (r_j - mean_k r_k) / (std_k r_k + eps)        mean_j |A_j| lies between 0 and 1, whatever the rewards' scale

Means and standard deviation run over the group's samples with a reward; one such sample alone has advantage 0.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float64

from steelyard.core import Prompt, Trajectory, derive, require
from steelyard.curriculum.shuffled import ShuffledWalk

_EPS = 1e-6


class Arms:
    """The domains of some prompts, in the order of their numbers.

    Args:
        prompts: what is drawn from.
        seed: of the permutations.

    Raises:
        SteelyardError: there are no prompts, or one is of no domain.
    """

    def __init__(self, prompts: Sequence[Prompt], seed: int) -> None:
        require(bool(prompts), "there are no prompts to draw", where="curriculum", hint="give the task prompts")
        lost = next((p.id for p in prompts if "domain" not in p.columns), None)
        hint = "take a task of several domains, such as domains, or the curriculum shuffled"
        require(lost is None, f"prompt {lost!r} has no column domain", where="curriculum", hint=hint)
        numbers = [int(p.columns["domain"]) for p in prompts]
        self.domains = sorted(set(numbers))
        self._arm_of = {p.id: self.domains.index(number) for p, number in zip(prompts, numbers, strict=True)}
        self._places = [[i for i, number in enumerate(numbers) if number == domain] for domain in self.domains]
        self._walks = [
            ShuffledWalk(len(places), derive(seed, "arm", domain))
            for domain, places in zip(self.domains, self._places, strict=True)
        ]

    def __len__(self) -> int:
        return len(self.domains)

    def next(self, arm: int) -> int:
        """The index of the arm's next prompt."""
        return self._places[arm][self._walks[arm].draw(1)[0]]

    def groups(self, trajectories: Sequence[Trajectory]) -> Iterator[tuple[int, Float64[np.ndarray, "G"]]]:
        """For each prompt among them its arm, and |A_j| of its samples with a reward, by sample number."""
        found: dict[str, list[Trajectory]] = {}
        for trajectory in trajectories:
            found.setdefault(trajectory.prompt_id, []).append(trajectory)
        for prompt_id, group in found.items():
            group = sorted(group, key=lambda t: t.sample)  # a sum of floats depends on its order
            yield self._arm_of[prompt_id], _sizes([t.reward for t in group if t.valid and t.reward is not None])

    def state(self) -> list[int]:
        """How many prompts of each arm were drawn."""
        return [walk.state()["position"] for walk in self._walks]

    def restore(self, state: Sequence[int]) -> None:
        """Go to where `state` was taken.

        Raises:
            SteelyardError: not a state of as many arms.
        """
        hint = "restore from a checkpoint of the same task"
        what = f"{len(state)} arms, and the prompts have {len(self)}"
        require(len(state) == len(self), what, where="curriculum state", hint=hint)
        for walk, position in zip(self._walks, state, strict=True):
            walk.restore({"position": position})


def _sizes(rewards: Sequence[float]) -> Float64[np.ndarray, "G"]:
    reward_G = np.array(rewards, np.float64)
    if len(reward_G) == 0:
        return reward_G
    centred_G = reward_G - reward_G.mean()
    return np.abs(centred_G) / (np.sqrt(np.square(centred_G).mean()) + _EPS)
