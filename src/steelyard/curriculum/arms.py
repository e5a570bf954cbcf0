"""What the curricula over domains share: the prompts of each domain, and how much a group of samples can teach.

An arm is a domain: all prompts with the same label `domain`. Its prompts come in seeded permutations,
each prompt once per epoch. The learning signal of a group of samples is the size of its advantages:

    A_j = (r_j - mean_k r_k) / (std_k r_k + eps)        mean_j |A_j| lies in [0, 1] for rewards of any scale

Mean and standard deviation run over the group's samples with a reward. A single such sample has advantage 0.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float64

from steelyard.core import Prompt, Trajectory, derive, find_label, require
from steelyard.curriculum.shuffled import ShuffledWalk

_EPS = 1e-6


class Arms:
    """The domains of some prompts, in the order of their numbers.

    Args:
        prompts: the prompts to draw from.
        seed: seed of the permutations.

    Raises:
        SteelyardError: there are no prompts, or one has no domain, or one that is no whole number.
    """

    def __init__(self, prompts: Sequence[Prompt], seed: int) -> None:
        require(bool(prompts), "there are no prompts to draw", where="curriculum", hint="give the task prompts")
        numbers = [_domain_of(prompt) for prompt in prompts]
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
        """For each prompt yield its arm, and |A_j| of its samples with a reward, in order of sample number."""
        found: dict[str, list[Trajectory]] = {}
        for trajectory in trajectories:
            found.setdefault(trajectory.prompt_id, []).append(trajectory)
        for prompt_id, group in found.items():
            group = sorted(group, key=lambda t: t.sample)  # a sum of floats depends on its order
            yield (
                self._arm_of[prompt_id],
                _abs_advantages([t.reward for t in group if t.valid and t.reward is not None]),
            )

    def state(self) -> list[int]:
        """The number of prompts drawn from each arm."""
        return [walk.state()["position"] for walk in self._walks]

    def restore(self, state: Sequence[int]) -> None:
        """Continue from a `state`.

        Raises:
            SteelyardError: the state has another number of arms.
        """
        hint = "restore from a checkpoint of the same task"
        what = f"{len(state)} arms, and the prompts have {len(self)}"
        require(len(state) == len(self), what, where="curriculum state", hint=hint)
        for walk, position in zip(self._walks, state, strict=True):
            walk.restore({"position": position})


def _domain_of(prompt: Prompt) -> int:
    value = prompt.of_label("domain")
    hint = "name its column with --columns.domain, use a task with several domains, or the curriculum shuffled"
    require(value is not None, "has no column domain", where=prompt.where, hint=hint)
    number = find_label("domain").read(value, prompt.where)
    assert isinstance(number, int)
    return number


def _abs_advantages(rewards: Sequence[float]) -> Float64[np.ndarray, "G"]:
    reward_G = np.array(rewards, np.float64)
    if len(reward_G) == 0:
        return reward_G
    centered_G = reward_G - reward_G.mean()
    return np.abs(centered_G) / (np.sqrt(np.square(centered_G).mean()) + _EPS)
