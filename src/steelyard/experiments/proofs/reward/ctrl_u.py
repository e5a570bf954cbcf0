"""Ctrl-U where a reward model can be driven too far: posts to shorten, and noisy readers who like length.

The proxy that ships with the package was learned from what such readers prefer among texts of the shipped writer. It is
right about these and wrong about long ones, so whoever follows it far loses true quality. All arms go on from the
writer by REINFORCE with a baseline (RLOO), without a pull to the writer, on the proxy's score: `plain` as it is;
`ctrl-u` less its uncertainty, of four readings under noise; the control `ctrl-u-off` less that of another text of the
same batch. By samples for held-out posts at the end: `gold` is the true quality, at most 1, `proxy` the score,
`uncertainty` that of the score, `length` in letters. `tells` is, among the last samples of a prompt, the share of pairs
in which the better text by gold is the surer one: half where uncertainty says nothing of quality.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from steelyard.core import Episode, Prompt, Score, Trajectory, rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.objective import RLOO
from steelyard.reward import CtrlU, RewardModel, Uncertain
from steelyard.task import Shortening
from steelyard.task.shortening import LONGEST_VERSION
from steelyard.worlds.shipped_base import note_shipped, shipped_base
from steelyard.worlds.sync_loop import SyncLoop

PROXY = "steelyard/shortening-proxy"
UNCERTAINTY = "uncertainty/reward-model"
FIRST = "first_reading/reward-model"
RULE = CtrlU(scale=1.0, noise=0.2, readings=4)
"""What all arms but the plain one go by."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    rule: CtrlU = RULE
    """How uncertainty is measured, for what is measured as for what is learned by."""
    steps: int = 60
    prompts: int = 16
    """Prompts in a step."""
    asked: int = 128
    """Held-out prompts."""


@dataclass(frozen=True)
class Doubt:
    """What an arm's score is less of."""

    of: Literal["none", "own", "another"] = "own"
    """Whose uncertainty is taken from a text's score."""


ARMS = {
    "plain": Doubt("none"),
    "ctrl-u": Doubt(),
    "ctrl-u-off": Doubt("another"),
}


@dataclass(frozen=True)
class Doubted:
    """Posts to shorten, scored by the proxy less what it is not sure of."""

    posts: Shortening
    rule: CtrlU
    doubt: Doubt = field(default_factory=Doubt)

    @cached_property
    def _reads(self) -> Uncertain:
        return Uncertain(RewardModel(PROXY, cut_off=-1.0, batch=256), self.rule)

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The posts."""
        return self.posts.prompts(split)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """The score as the arm takes it; its parts are the true quality, the proxy's score and its uncertainty."""
        read = [score.parts for score in self._reads(episodes)]
        golds = [score.parts["gold"] for score in self.posts.score(episodes)]
        others = rng(len(read), "others", *(e.prompt.id for e in episodes)).permutation(len(read))
        order = others if self.doubt.of == "another" else range(len(read))
        rows = zip(read, golds, order, strict=True)
        return [Score(self._taken(parts, read[other]), {**parts, "gold": gold}) for parts, gold, other in rows]

    def _taken(self, own: Mapping[str, float], other: Mapping[str, float]) -> float:
        return own[FIRST] if self.doubt.of == "none" else self.rule.rectified(own[FIRST], other[UNCERTAINTY])


def tells(groups: Sequence[Sequence[Trajectory]]) -> float:
    """How often the better of two texts of a prompt is the surer one; ties of uncertainty count half."""
    found = []
    for group in groups:
        gold_N = np.array([t.reward_parts["gold"] for t in group])
        sure_N = -np.array([t.reward_parts[UNCERTAINTY] for t in group])
        better_NN = gold_N[:, None] > gold_N
        found += (np.sign(sure_N[:, None] - sure_N)[better_NN] / 2 + 0.5).tolist()
    return float(np.mean(found)) if found else 0.5


def measured(loop: SyncLoop, asked: int) -> dict[str, float]:
    """What the policy's samples for held-out prompts are like."""
    groups = loop.sampled(loop.task.prompts("held-out")[:asked], 8)
    rows = [t for group in groups for t in group]
    parts = {"gold": "gold", "proxy": FIRST, "uncertainty": UNCERTAINTY}
    means = {name: float(np.mean([t.reward_parts[part] for t in rows])) for name, part in parts.items()}
    return means | {"length": float(np.mean([len(t.completion_T) - 1 for t in rows])), "tells": tells(groups)}


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Doubt]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm, from the shipped writer on the same posts."""
    posts = Shortening(data_seed=seed)
    writer = shipped_base("steelyard/shortening")
    note_shipped(PROXY)
    for arm in arms:
        world = Doubted(posts, setting.rule, arm.settings)
        loop = SyncLoop(writer, world, RLOO(), learning_rate=arm.rate, seed=seed, max_tokens=LONGEST_VERSION)
        loop.run(setting.steps, setting.prompts)
        yield arm.name, measured(loop, setting.asked) | {"moved": loop.moved, **loop.scale}


PROOF = Proof(
    proves=("ctrl-u",),
    ours="ctrl-u",
    control="ctrl-u-off",
    equal="writer, proxy, posts, 60 steps on 16 x 8 own samples, optimiser and its rate",
    claims=(
        Claim("True quality at the end is 10 points above that of the score as it is", "gold", "plain", 0.1),
        Claim("Where the score was followed as it is, the better of two texts is the surer one in 55 of 100 pairs",
              "tells", 0.5, 0.05, ours="plain", control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(steps=25, asked=64),
    rates=dict.fromkeys(ARMS, 9e-4),
    seeds=3,
)  # fmt: skip
