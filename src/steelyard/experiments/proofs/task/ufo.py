"""UFO on questions with four plausible answers: does being told no teach a policy to try another?

The world is `second-chances`: which of four digits is right cannot be known, so the first attempt is right in 40 % of
cases at best, and four attempts in all of them by whoever repeats nothing. Every arm learns from as many episodes by
Dr. GRPO, 64 questions a step, since which digit is right is luck: UFO's four attempts (ufo); one attempt, which is
single-turn RL (single); UFO's with returns that are shuffled within a prompt (ufo-off); or not at all (base). Then all
of them play four attempts at each held-out question, PLAYS times: `solved` is the share with a right answer, `first`
the share where that was the first, `turns` the attempts, `new` the share of answers that repeat none.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from steelyard.core import Episode, Prompt, Score, Trajectory, rng
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.objective import DrGRPO
from steelyard.policy import Policy
from steelyard.task import UFO
from steelyard.worlds.second_chances import AGAIN, DIGITS, WORLD, SecondChances
from steelyard.worlds.sync_loop import SyncLoop

TURNS = 4
PLAYS = 8


@dataclass(frozen=True)
class Questions:
    """The world's questions, one attempt each."""

    world: SecondChances

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The world's."""
        return self.world.prompts(split)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 for the right digit."""
        return [score(e.completion, e.prompt.columns["answer"]) for e in episodes]


def score(said: str, right: str) -> Score:
    """1 for the right digit; what is no digit is no answer."""
    return Score(float(said == right), read=said if said in tuple(DIGITS) else None)


@dataclass(frozen=True)
class How:
    """What makes an arm."""

    turns: int = TURNS
    shuffled: bool = False
    trained: bool = True

    def task(self, world: SecondChances) -> UFO:
        """The episodes that it learns from."""
        return UFO(self.turns, AGAIN, task=Questions(world))


ARMS: Mapping[str, How] = {
    "ufo": How(),
    "single": How(turns=1),
    "ufo-off": How(shuffled=True),
    "base": How(trained=False),
}


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    steps: int = 40
    prompts: int = 64


def shuffled(group: Sequence[Trajectory], draws: np.random.Generator) -> list[Trajectory]:
    """The group with its returns dealt out anew."""
    dealt = draws.permutation([t.reward or 0.0 for t in group]).tolist()
    return [t.replace(reward=reward) for t, reward in zip(group, dealt, strict=True)]


def looped(policy: Policy, how: How, world: SecondChances, seed: int, rate: float = 0.0) -> SyncLoop:
    """A loop over an arm's episodes."""
    objective = DrGRPO(max_length=2 * TURNS)
    return SyncLoop(policy, how.task(world), objective, learning_rate=rate, seed=seed, max_tokens=WORLD.max_tokens)


def learned(policy: Policy, arm: Arm[How], world: SecondChances, seed: int, setting: Setting) -> SyncLoop:
    """An arm's loop after its steps."""
    loop = looped(policy, arm.settings, world, seed, arm.rate)
    draws = rng(seed, "returns")
    prompts = world.prompts("train")
    for step in range(setting.steps if arm.settings.trained else 0):
        chosen = rng(seed, "questions", step).choice(len(prompts), setting.prompts, replace=False)
        groups = loop.sample([prompts[i] for i in chosen])
        loop.learn([shuffled(group, draws) if arm.settings.shuffled else group for group in groups])
    return loop


def quality(policy: Policy, world: SecondChances, seed: int) -> dict[str, float]:
    """What four attempts come to, on held-out questions."""
    found = looped(policy, How(), world, seed).sampled(world.prompts("held-out"), PLAYS)
    parts = [t.reward_parts for group in found for t in group]
    turns = [part["turns"] for part in parts]
    repeats = sum(part["repeats"] for part in parts)
    return {
        **share("solved", sum(part["right"] == 1 for part in parts), len(parts)),
        **share("first", sum(part["first"] == 1 for part in parts), len(parts)),
        "turns": float(np.mean(turns)),
        "new": 1 - repeats / sum(turns),
    }


def measure(seed: int, setting: Setting, arms: Iterable[Arm[How]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base model, then each arm from there."""
    world = WORLD.task(seed)
    policy = WORLD.base(world, seed)
    for arm in arms:
        loop = learned(policy, arm, world, seed, setting)
        yield arm.name, {**quality(loop.policy, world, seed), "moved": loop.moved, **loop.scale}


PROOF = Proof(
    proves=("ufo",),
    ours="ufo",
    control="ufo-off",
    equal="the base model, questions and episodes for each step, 40 steps, learning rate",
    claims=(
        Claim("Four attempts of UFO solve 14 points more than those of single-turn RL", "solved", "single", 0.14),
        Claim("Its first attempts are right as often, within 5 points", "first", "single", -0.05),
        Claim("It takes 5 % fewer attempts", "turns", "single", 0.05, lower_is_better=True, relative=True),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(steps=10),
    rates={name: 1e-3 for name, how in ARMS.items() if how.trained},
    first_seed=6,
    seeds=8,
)  # fmt: skip
