"""IGNITE where a reward model is followed far: posts to shorten, and few pairs that noisy readers judged.

A reward model is fitted on pairs of the shipped writer's short versions, as readers judged them, and the writer goes on
by REINFORCE with a baseline (RLOO) on its score, without a pull to the writer. What the model estimates is known: the
readers' liking of a text, of which a difference of scores is one over their noise. Arms differ in the fit alone:
`plain`; `ignite`, flat by a limit; `ignite-2`, by a penalty of fixed weight; and the control, whose penalty goes by a
random direction in place of the gradient, at the fixed weight. By samples for held-out posts at the end: `liking`, the
true value that the score estimates; `overrated`, by how much more the score promises than liking has, both above the
writer's own samples, in units of liking; `gold`, the quality, which readers' bias leaves out. `accuracy` is of the fit
on held-out pairs, `sharpness` what the mean score may change within the radius.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from steelyard.core import Episode, Prompt, Score, Trajectory, derive
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.objective import RLOO
from steelyard.policy import Policy
from steelyard.reward import IGNITE, BradleyTerry, Pair, RewardModel
from steelyard.reward.scorer import Scorer
from steelyard.task import Shortening
from steelyard.task.shortening import LENGTH_BIAS, LONGEST_VERSION, NOISE
from steelyard.worlds.bases.preference import judged_pairs
from steelyard.worlds.shipped_base import shipped_base
from steelyard.worlds.sync_loop import SyncLoop

WATCHED = IGNITE(weight=0.0, rate=0.0)
"""Measures sharpness and changes nothing."""
FIT = BradleyTerry(learning_rate=1e-3, epochs=6, batch=64, held_out=0.2)
"""How all reward models are fitted, but for their flatness."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    pairs: int = 3000
    """Pairs that readers judged."""
    fit: BradleyTerry = FIT
    steps: int = 60
    """Steps on the fitted score."""
    prompts: int = 16
    """Prompts in a step."""
    asked: int = 128
    """Held-out prompts."""


ARMS = {
    "plain": WATCHED,
    "ignite": IGNITE(weight=0.1, rate=2e-3),
    "ignite-2": IGNITE(weight=0.2, rate=0.0),
    "ignite-off": IGNITE(weight=0.2, rate=0.0, along="random"),
}


@dataclass(frozen=True)
class Liked:
    """Posts to shorten, scored by a reward model in units of liking."""

    posts: Shortening
    model: str

    @cached_property
    def _reads(self) -> RewardModel:
        return RewardModel(self.model, cut_off=-1.0, batch=256)

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The posts."""
        return self.posts.prompts(split)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """What the model says of liking; its parts are the true liking and gold."""
        golds = [score.parts["gold"] for score in self.posts.score(episodes)]
        said = [score.value for score in self._reads(episodes)]
        likings = [gold + LENGTH_BIAS * len(e.completion) for gold, e in zip(golds, episodes, strict=True)]
        rows = zip(said, likings, golds, strict=True)
        return [
            Score(None if value is None else NOISE * value, {"liking": liking, "gold": gold})
            for value, liking, gold in rows
        ]


@dataclass(frozen=True)
class Readers:
    """The shipped writer, and pairs of its texts that readers judged."""

    writer: Policy
    pairs: Sequence[Pair]
    setting: Setting
    seed: int

    def fitted(self, flat: IGNITE, place: Path) -> dict[str, float]:
        """Fit a reward model and write it; returns what held-out pairs say of it."""
        scorer = Scorer.load("steelyard/shortening", new_head=self.seed)
        found = replace(self.setting.fit, flat=flat, seed=self.seed)(scorer, self.pairs)
        scorer.save(place)
        return {name: found[name] for name in ("accuracy", "sharpness", "ignite_weight")}

    def followed(self, model: Path, rate: float) -> dict[str, float]:
        """Train the writer on the model's score; returns what its samples are like."""
        world = Liked(Shortening(), str(model))
        loop = SyncLoop(self.writer, world, RLOO(), learning_rate=rate, seed=self.seed, max_tokens=LONGEST_VERSION)
        before = sampled(loop, self.setting.asked)
        loop.run(self.setting.steps, self.setting.prompts)
        after = sampled(loop, self.setting.asked)
        promised, kept = (after[name] - before[name] for name in ("score", "liking"))
        return after | {"overrated": promised - kept, "moved": loop.moved, **loop.scale}


def sampled(loop: SyncLoop, asked: int) -> dict[str, float]:
    """Means over the policy's samples for held-out prompts."""
    rows = [t for group in loop.sampled(loop.task.prompts("held-out")[:asked], 8) for t in group]
    ended = [t for t in rows if t.finish == "stop"]
    return {
        "score": mean_score(ended),
        **{name: float(np.mean([t.reward_parts[name] for t in ended])) for name in ("liking", "gold")},
        "ended": len(ended) / len(rows),
    }


def mean_score(rows: Sequence[Trajectory]) -> float:
    """Of those that were scored."""
    return float(np.mean([t.reward for t in rows if t.reward is not None]))


def measure(seed: int, setting: Setting, arms: Iterable[Arm[IGNITE]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm, from the same writer on the same pairs."""
    writer = shipped_base("steelyard/shortening")
    readers = Readers(writer, judged_pairs(writer, setting.pairs, derive(seed, "readers")), setting, seed)
    for arm in arms:
        with tempfile.TemporaryDirectory() as place:
            fit = readers.fitted(arm.settings, Path(place) / "model")
            yield arm.name, fit | readers.followed(Path(place) / "model", arm.rate)


PROOF = Proof(
    proves=("ignite",),
    ours="ignite",
    control="ignite-off",
    equal="writer, pairs, steps of the fit and their rate, 60 steps on 16 x 8 own samples, optimiser and its rate",
    claims=(
        Claim("Followed as far, true liking ends .05 above that by the plain fit", "liking", "plain", 0.05),
        Claim("What the score promises too much is .1 of liking less", "overrated", "plain", 0.1,
              lower_is_better=True),
        Claim("Held-out pairs are told apart as well, less 2 points", "accuracy", "plain", -0.02),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(pairs=1500, steps=25, asked=64),
    rates=dict.fromkeys(ARMS, 9e-4),
)  # fmt: skip
