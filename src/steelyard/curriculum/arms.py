"""What the curricula over domains share: the prompts of each domain, and how much a group of samples can teach.

An arm is a domain: all prompts with the same label `domain`. Its prompts come in seeded permutations,
each prompt once per epoch. The learning signal of a group of samples is the size of its advantages:

    A_j = (r_j - mean_k r_k) / (std_k r_k + eps)        mean_j |A_j| lies in [0, 1] for rewards of any scale

Mean and standard deviation run over the group's samples with a reward. A single such sample has advantage 0.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float64

from steelyard.core import Prompt, Trajectory, derive, find_label, require, rng
from steelyard.curriculum.shuffled import ShuffledWalk

_EPS = 1e-6


class Arms:
    """The domains of some prompts, in the order of their numbers.

    Args:
        prompts: the prompts to draw from.
        seed: seed of the permutations.
        probes: further prompts that something may be told of; they are never drawn.

    Raises:
        SteelyardError: there are no prompts, or one has no domain, or one that is no whole number, or a probe's is none
            of the prompts'.
    """

    def __init__(self, prompts: Sequence[Prompt], seed: int, probes: Sequence[Prompt] = ()) -> None:
        require(bool(prompts), "there are no prompts to draw", where="curriculum", hint="give the task prompts")
        numbers = [domain_of(prompt) for prompt in prompts]
        self.domains = sorted(set(numbers))
        self._arm_of = {p.id: self.domains.index(number) for p, number in zip(prompts, numbers, strict=True)}
        self._arm_of |= {probe.id: self._known(probe) for probe in probes}
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

    def draw(self, weight_D: Float64[np.ndarray, "D"], places: range, seed: int, name: str) -> list[int]:
        """For each place the next prompt of an arm that is drawn by weight; a place has a random number of its own."""
        uniforms = (float(rng(seed, name, place).random()) for place in places)
        return [self.next(pick(weight_D, uniform)) for uniform in uniforms]

    def groups(self, trajectories: Sequence[Trajectory]) -> Iterator[tuple[int, Float64[np.ndarray, "G"]]]:
        """For each prompt yield its arm, and |A_j| of its samples with a reward, in order of sample number."""
        for arm, reward_G in self.rewards(trajectories):
            yield arm, _abs_advantages(reward_G)

    def rewards(self, trajectories: Sequence[Trajectory]) -> Iterator[tuple[int, Float64[np.ndarray, "G"]]]:
        """For each prompt yield its arm, and the rewards of its samples that have one, in order of sample number."""
        for prompt_id, group in by_prompt(trajectories).items():
            rewards = [t.reward for t in group if t.valid and t.reward is not None]
            yield self._arm_of[prompt_id], np.array(rewards, np.float64)

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

    def _known(self, probe: Prompt) -> int:
        number = domain_of(probe)
        hint = "give prompts of this domain to draw, or leave it out"
        require(number in self.domains, f"no prompt has its domain, {number}", where=probe.where, hint=hint)
        return self.domains.index(number)


def by_prompt(trajectories: Sequence[Trajectory]) -> dict[str, list[Trajectory]]:
    """The samples of each prompt by its id, in order of sample number: a sum of floats depends on its order."""
    found: dict[str, list[Trajectory]] = {}
    for trajectory in trajectories:
        found.setdefault(trajectory.prompt_id, []).append(trajectory)
    return {prompt_id: sorted(group, key=lambda t: t.sample) for prompt_id, group in found.items()}


def pick(weight_D: Float64[np.ndarray, "D"], uniform: float) -> int:
    """Which of several the number `uniform`, from 0 to 1, falls to, where each has its weight's share of these."""
    return int(np.searchsorted(np.cumsum(weight_D)[:-1], uniform, side="right"))


def domain_of(prompt: Prompt) -> int:
    """The number of a prompt's domain.

    Raises:
        SteelyardError: it has none, or one that is no whole number.
    """
    value = prompt.of_label("domain")
    hint = "name its column with --columns.domain, use a task with several domains, or the curriculum shuffled"
    require(value is not None, "has no column domain", where=prompt.where, hint=hint)
    number = find_label("domain").read(value, prompt.where)
    assert isinstance(number, int)
    return number


def _abs_advantages(reward_G: Float64[np.ndarray, "G"]) -> Float64[np.ndarray, "G"]:
    if len(reward_G) == 0:
        return reward_G
    centered_G = reward_G - reward_G.mean()
    return np.abs(centered_G) / (np.sqrt(np.square(centered_G).mean()) + _EPS)


def targets_of(targets: Sequence[int], domains: Sequence[int], curriculum: str) -> Float64[np.ndarray, "D"]:
    """1 for the domains that are to be learned, else 0; where none is named, all are.

    Raises:
        SteelyardError: one is none of the domains.
    """
    unknown = [number for number in targets if number not in domains]
    what = f"no prompt has domain {unknown[0] if unknown else None}"
    hint = f"name some of {', '.join(map(str, domains))}"
    require(not unknown, what, where=f"{curriculum}.targets", hint=hint)
    return np.array([float(not targets or number in targets) for number in domains])
