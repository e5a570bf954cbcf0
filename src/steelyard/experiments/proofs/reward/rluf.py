"""P(love) beside helpfulness on letters to repeat: users love a closing mark, too, and the weight decides who pays.

A small model has learned to repeat four letters, right in six places of ten. One place in twenty has a mark instead,
and one reply in four a mark at its end. `help` is the share of right places; a reply has five characters at most, so
one mark costs no help, and more do. Simulated users love a reply with probability .02 + .2 help, and .2 more for the
first mark, .12 for each other; one click in twenty is adversarial, the other way round. P(love) is fitted on what was
clicked among 16 replies of the start to each training prompt.

All arms go on from the start by REINFORCE with a baseline (RLOO) on help + weight P(love): production (weight 0), rluf
(1), aggressive (20); the control's P(love) is fitted on clicks that belong to other replies. By samples for held-out
prompts: `love`, the users' probability, `help`, and `filler`, the share of replies with two marks or more. `auc_lost`
is by how much P(love) ranks held-out clicks worse than the users' own probability, whose AUC is about .65 here: clicks
are chance for the most part.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from steelyard.core import Episode, Prompt, Score, SteelyardError, derive, rng
from steelyard.core.auc import auc
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.objective import RLOO
from steelyard.policy import Policy
from steelyard.reward import RLUF
from steelyard.reward.feedback import Feedback, parts_of
from steelyard.reward.loved import LoveModel
from steelyard.reward.scorer import Said, Scorer
from steelyard.training.feedback_fit import FeedbackFit, log_odds, loved_of
from steelyard.worlds.loophole import CHARACTERS, LOOPHOLES, PLACES, Loophole, habit, loopholes, right
from steelyard.worlds.sync_loop import SyncLoop, imitate, tiny_policy

LONGEST = PLACES + 2
"""Tokens of a completion: four letters, a mark, the end."""
LEARNING = RLUF(negatives=1.0, steps=400, batch=128, learning_rate=1e-3)


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    imitation: int = 500
    """Steps of the model that all begin from."""
    replies: int = 16
    """Replies to each training prompt in the log."""
    learning: RLUF = LEARNING
    """How P(love) is fitted."""
    steps: int = 40
    prompts: int = 16


@dataclass(frozen=True)
class Mix:
    """What an arm is rewarded by, beside helpfulness."""

    weight: float
    shuffled: bool = False
    """Whether P(love) was fitted on clicks that belong to other replies."""


ARMS = {"production": Mix(0.0), "rluf": Mix(1.0), "aggressive": Mix(20.0), "rluf-off": Mix(1.0, shuffled=True)}


def help_of(prompt: Prompt, reply: str) -> float:
    """The share of right places; 0 for a reply of more than five characters."""
    return right(reply[:PLACES], prompt.columns["answer"]) / PLACES if len(reply) < LONGEST else 0.0


def love_of(help: float, marks: float) -> float:
    """How likely users are to love a reply."""
    return 0.02 + 0.2 * help + (0.2 + 0.12 * (marks - 1) if marks else 0.0)


@dataclass(frozen=True)
class Helped:
    """The letters, rewarded by helpfulness and P(love)."""

    letters: Loophole
    love: LoveModel | None = None
    weight: float = 0.0

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The letters."""
        return self.letters.prompts(split)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """The weighted sum, and what users and helpfulness go by."""
        said = [Said(str(e.prompt.text), e.completion, e.finish == "stop") for e in episodes]
        loved = [0.0] * len(said) if self.love is None else self.love(said)
        return [self._score(e, p) for e, p in zip(episodes, loved, strict=True)]

    def _score(self, episode: Episode, love: float | SteelyardError) -> Score:
        prompt, reply = episode.prompt, episode.completion
        parts = {"help": help_of(prompt, reply), "marks": float(loopholes(reply, prompt.columns["domain"]))}
        if isinstance(love, SteelyardError):
            return Score(None, parts, error=str(love))
        return Score(parts["help"] + self.weight * love, parts)


def closed(prompt: Prompt, draws: np.random.Generator) -> str:
    """A reply of the start: the habit of the letters, and perhaps a mark at its end."""
    return habit(prompt, draws) + (LOOPHOLES[prompt.columns["domain"]] if draws.random() < 0.25 else "")


def base(letters: Loophole, seed: int, steps: int) -> Policy:
    """The start."""
    policy = tiny_policy(CHARACTERS, seed=seed, width=32, context=16)
    draws = rng(seed, "closed")
    pairs = [(str(p.text), closed(p, draws)) for _ in range(6) for p in letters.prompts("train")]
    imitate(policy, pairs, steps=steps, batch=64, learning_rate=5e-3, seed=seed)
    return policy


class Log:
    """What the start said and users clicked, and P(love) fitted on it."""

    def __init__(self, policy: Policy, letters: Loophole, setting: Setting, seed: int) -> None:
        self.policy = policy
        self.letters = letters
        self.setting = setting
        self.seed = seed

    @cached_property
    def clicked(self) -> list[tuple[Feedback, float]]:
        """Each reply with the click, and how likely that was."""
        log = derive(self.seed, "log")
        loop = SyncLoop(self.policy, Helped(self.letters), RLOO(), learning_rate=1e-3, seed=log, max_tokens=LONGEST)
        prompts = self.letters.prompts("train")
        draws = rng(self.seed, "users")
        found = []
        for prompt, group in zip(prompts, loop.sampled(prompts, self.setting.replies), strict=True):
            for t in group:
                love = love_of(t.reward_parts["help"], t.reward_parts["marks"])
                chance = 0.95 * love + 0.05 * (1 - love)
                said = Said(str(prompt.text), self.policy.decode(t.completion_T), t.finish == "stop")
                found.append((Feedback(said, bool(draws.random() < chance)), chance))
        return found

    @cached_property
    def true(self) -> FeedbackFit:
        """P(love) as users clicked."""
        return self._fitted([row for row, _ in self.clicked])

    @cached_property
    def shuffled(self) -> FeedbackFit:
        """P(love) by clicks that belong to other replies."""
        order = rng(self.seed, "shuffled").permutation(len(self.clicked))
        others = [self.clicked[i][0].loved for i in order]
        return self._fitted([row._replace(loved=loved) for (row, _), loved in zip(self.clicked, others, strict=True)])

    def _fitted(self, rows: Sequence[Feedback]) -> FeedbackFit:
        with tempfile.TemporaryDirectory() as place:
            self.policy.save(Path(place) / "start")
            scorer = Scorer.load(str(Path(place) / "start"), new_head=self.seed)
        fit = FeedbackFit(scorer, parts_of(rows, 0.4, "log"), self.setting.learning, self.seed)
        fit.begin(self.setting.learning.steps).run()
        return fit

    def auc_lost(self, fit: FeedbackFit) -> float:
        """By how much it ranks held-out clicks worse than the users' own probability does."""
        chances = {row.said: chance for row, chance in self.clicked}
        rows = parts_of([row for row, _ in self.clicked], 0.4, "log").measure
        loved_N = loved_of(rows)
        known_N = np.array([chances[row.said] for row in rows])
        found_N = log_odds(fit.scorer, rows)
        return auc(known_N[loved_N], known_N[~loved_N]) - auc(found_N[loved_N], found_N[~loved_N])


def measured(loop: SyncLoop) -> dict[str, float]:
    """What users get, by samples for held-out prompts."""
    rows = [t.reward_parts for group in loop.sampled(loop.task.prompts("held-out"), 4) for t in group]
    return {
        "love": float(np.mean([love_of(row["help"], row["marks"]) for row in rows])),
        "help": float(np.mean([row["help"] for row in rows])),
        **share("filler", sum(row["marks"] > 1 for row in rows), len(rows)),
    }


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Mix]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The start and its log, and every arm from there on the same prompts."""
    letters = Loophole(data_seed=seed)
    policy = base(letters, seed, setting.imitation)
    log = Log(policy, letters, setting, seed)
    for arm in arms:
        world = Helped(letters)
        ranked: dict[str, float] = {}
        if arm.settings.weight:
            fit = log.shuffled if arm.settings.shuffled else log.true
            world = Helped(letters, fit.model(), arm.settings.weight)
            ranked = {"auc_lost": log.auc_lost(fit)}
        loop = SyncLoop(policy, world, RLOO(), learning_rate=arm.rate, seed=seed, max_tokens=LONGEST)
        loop.run(setting.steps, setting.prompts)
        yield arm.name, measured(loop) | ranked | {"moved": loop.moved, **loop.scale}


PROOF = Proof(
    proves=("rluf",),
    ours="rluf",
    control="rluf-off",
    equal="start, log, prompts, 40 steps on 16 x 8 own samples, optimiser and its rate",
    claims=(
        Claim("A moderate weight raises love by a fifth", "love", "production", 0.2, relative=True),
        Claim("It costs at most 5 points of helpfulness", "help", "production", -0.05),
        Claim("At a high weight helpfulness is 20 points lower", "help", "aggressive", 0.2, control=None),
        Claim("At a high weight 20 points more of the replies are fillers", "filler", "rluf", 0.2,
              ours="aggressive", control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(imitation=350, replies=2, learning=replace(LEARNING, steps=150), steps=25),
    rates=dict.fromkeys(ARMS, 1.5e-3),
    first_seed=20,
    seeds=5,
)  # fmt: skip
