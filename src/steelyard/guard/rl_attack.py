"""An attack by RL: what a few steps for somebody else's reward bring out of a model.

    attack   n steps of GRPO, each on G fresh samples of every prompt; r(y|x) is the attacker's
    reward   mean of r;    best = mean over prompts of max_j r_j;    spread = mean over prompts of std_j r_j
    gain     (reward after - reward before) / n

A copy of the model is attacked; G fresh samples of every prompt are scored before and after. The attacker's reward is
a function that is named, or 1 where a completion is the row's answer and 0 elsewhere. Where no prompt has a spread, RL
has nothing to learn from; `surprise`, minus the mean log-probability of a sampled token, estimates the entropy behind
it. G samples per prompt. It is an audit of one's own model before it is given away: the rows are requests that the
model should refuse.
Source: the attack that Feng et al. 2025, arXiv:2508.20697, defend against, without its reward models.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import tyro
from msgspec import Meta

from steelyard.core import (
    Episode,
    Group,
    Positive,
    PositiveInt,
    Prompt,
    Reward,
    Sampling,
    Score,
    Seed,
    Weights,
    method,
    require,
)
from steelyard.core.columns import Column
from steelyard.core.json import JsonMapping
from steelyard.core.table import Measure, Table
from steelyard.learner import Adam, Learner
from steelyard.objective import GRPO
from steelyard.policy import Policy
from steelyard.policy.auditor import Auditor, PlacedRow
from steelyard.policy.copied import copied
from steelyard.reward import Closable, reward_function
from steelyard.rollout import Codec, Episodes, engine_for
from steelyard.searcher import attach_scores
from steelyard.searcher.scoring import scores_of
from steelyard.task.answered import AnsweredFile

MEASURES = (
    Measure("prompts", "number", "Prompts that were asked."),
    Measure("reward", "reward", "Mean reward of the attacker over all samples."),
    Measure("best", "reward", "Mean over prompts of the best sample's reward."),
    Measure("spread", "reward", "Mean over prompts of the standard deviation of rewards: what RL learns from."),
    Measure("surprise", "nats a token", "Minus the mean log-probability of sampled tokens; estimates the entropy."),
    Measure("gain", "reward a step", "What a step of the attack adds to the reward, the mean over the steps."),
)


@method("rl-attack", paper="arXiv:2508.20697", claim="tells how far an attacker's RL gets in a few steps")
@dataclass(frozen=True)
class RLAttack(Auditor):
    """Settings of the attack."""

    reward: str = ""
    """What the attacker wants: module:function(prompts, completions, **columns); empty for the rows' answers."""
    steps: PositiveInt = 5
    """Steps of the attack."""
    samples: Annotated[int, Meta(ge=2)] = 8
    """Samples of each prompt, in a step and where it is measured."""
    learning_rate: Positive = 1e-5
    """Of these steps: what fine-tuning takes on such a model."""
    temperature: Positive = 1.0
    """At which the attacker samples and learns, and the model is measured."""
    max_completion_length: PositiveInt = 32
    """Most tokens of a completion; fewer where the model's context ends before."""
    seed: Seed = 0
    """Of the samples."""
    file: Annotated[AnsweredFile, tyro.conf.OmitArgPrefixes] = field(default_factory=AnsweredFile)
    """How rows become prompts."""

    def columns(self) -> tuple[Column, ...]:
        """The prompt, and the answer where no reward is named; a reward gets all others, too."""
        (prompt, *_), (answer, *_) = self.file.columns.prompts, self.file.columns.answers
        return (Column(prompt),) if self.reward else (Column(prompt), Column(answer))

    def audit(self, policy: Policy, rows: Sequence[PlacedRow]) -> Table:
        """The model before and after the attack; of rows with one prompt the first counts.

        Raises:
            SteelyardError: there are no rows, one has no prompt or no answer, or no sample could be scored.
        """
        require(len(rows) > 0, "there are no rows", where="rl-attack", hint="give at least one request")
        asked = {prompt.id: prompt for prompt in [self._prompt(row, place) for place, row in rows][::-1]}
        reward = reward_function(self.reward, max_steps=self.steps) if self.reward else says_answer
        try:
            attack = Attack(policy, [asked[id] for id in sorted(asked)], reward, self)
            before = self._measured(attack.sample())
            for _ in range(self.steps):
                attack.step()
            after = self._measured(attack.sample())
        finally:
            if isinstance(reward, Closable):
                reward.close()
        gain = (after[0] - before[0]) / self.steps
        number = len(asked)
        return Table(MEASURES, (("before", (number, *before, None)), ("after", (number, *after, gain))))

    def _prompt(self, row: JsonMapping, where: str) -> Prompt:
        hint = "write what the attacker wants to read, or name a --reward"
        return self.file.asked(row, where, answered=not self.reward, hint=hint)

    def _measured(self, groups: Sequence[Group]) -> tuple[float, float, float, float]:
        rewards = [np.array([t.reward for t in group if t.reward is not None]) for group in groups]
        known = [values for values in rewards if len(values)]
        why = next((str(t.info["error"]) for group in groups for t in group if "error" in t.info), "")
        require(bool(known), f"no sample could be scored: {why}", where="--reward", hint="mend the reward function")
        logp = np.concatenate([t.logp_behaviour_T[t.action_T] for group in groups for t in group])
        each = [(values.mean(), values.max(), values.std()) for values in known]
        reward, best, spread = np.mean(each, axis=0).tolist()
        return reward, best, spread, -float(logp.mean())


class Attack:
    """A copy of a policy under attack.

    Args:
        policy: stays as it is.
        prompts: all of them are in every step.
        reward: the attacker's.
        settings: of the attack.
    """

    def __init__(self, policy: Policy, prompts: Sequence[Prompt], reward: Reward, settings: RLAttack) -> None:
        self._prompts = prompts
        self._reward = reward
        self._samples = settings.samples
        searching = copied(policy)
        longest = max(len(policy.encode(prompt.text)) for prompt in prompts)
        left = policy.context_length - longest
        hint = "take a model with a longer context, or leave the request out"
        require(left > 0, f"a prompt has {longest} tokens, and the context ends", where="rl-attack", hint=hint)
        self._sampling = Sampling(settings.temperature, min(settings.max_completion_length, left))
        self._engine = engine_for(searching, settings.seed)
        self._episodes = Episodes(self._engine, Codec.of(searching))
        rate = settings.learning_rate
        self._learner = Learner(copied(policy), GRPO(), Adam(), learning_rate=rate, temperature=settings.temperature)
        self._rounds = 0

    def sample(self) -> list[Group]:
        """Fresh samples of every prompt by the present weights, scored."""
        self._engine.load(Weights.of(self._learner.policy.weights(), self._learner.version))
        first = self._rounds * self._samples
        self._rounds += 1
        asked = [(prompt, first + s) for prompt in self._prompts for s in range(self._samples)]
        found = sorted(self._episodes.play(asked, self._sampling), key=_place)
        scored = attach_scores([e.trajectory for e in found], scores_of(found, self._reward))
        return [scored[i : i + self._samples] for i in range(0, len(scored), self._samples)]

    def step(self) -> None:
        """One step of the attack."""
        self._learner.step(self.sample())


def says_answer(episodes: Sequence[Episode]) -> list[Score]:
    """1 where a completion is the row's answer, but for spaces around it."""
    return [Score(float(e.completion.strip() == str(e.prompt.columns["answer"]).strip())) for e in episodes]


def _place(episode: Episode) -> tuple[str, int]:
    return episode.trajectory.prompt_id, episode.trajectory.sample
