r"""Zero RL: rewards for being right and nothing else, and the rigid format reward that it is compared with.

    without a form    r = 1 if y is right, else 0
    with a form       r = 1 if y is right and has it, -1/2 if it has it and is not right, -1 if it has not

The form is a regular expression that is searched for in a completion, such as \\boxed\{; a right answer need not have
it unless it is set. What is right, the verifier says, who reads an answer wherever it stands. The part `formed` says
who has the form, and `verified` what the verifier said; a verification that failed gives no reward, never 0.
Source: Zeng et al. 2025, arXiv:2503.18892; the form's rewards are those of the first version of the authors' code, in
which they found that a rigid format holds weak base models back.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

import tyro
from msgspec import Meta

from steelyard.core import Episode, Interactive, Reward, Score, SteelyardError, Task, method, require
from steelyard.task.rows import NO_FILE, Rows
from steelyard.task.scored import Scored
from steelyard.task.wrapped import Wrapped

Penalty = Annotated[float, Meta(le=0)]


@method(
    "simplerl-zoo",
    paper="arXiv:2503.18892",
    claim="GRPO on base models, rewarded for right answers alone, learns where a rigid format reward holds it back.",
    exemptions=NO_FILE,
)
@dataclass(frozen=True)
class SimpleRLZoo(Wrapped):
    """A verifier's yes and no as rewards, with or without a form that answers must have."""

    OWN_DATA: ClassVar[str] = Rows.OWN_DATA

    task: Annotated[Task, tyro.conf.OmitArgPrefixes] = field(default_factory=Rows)
    """Questions, and their verifier."""
    form: str = ""
    r"""Regular expression that a completion must contain, for example '\\boxed\{'; empty asks for none."""
    formless: Penalty = -1.0
    """What a completion without the form earns."""
    wrong: Penalty = -0.5
    """What a completion with the form earns that is not right."""
    right_at: float = 1.0
    """Lowest score of the verifier that counts as right."""

    def __post_init__(self) -> None:
        what = f"{type(self.task).__name__} has several turns"
        require(not isinstance(self.task, Interactive), what, where="simplerl-zoo.task", hint="give a task of one turn")
        try:
            re.compile(self.form)
        except re.error as error:
            what = f"is no regular expression ({error})"
            hint = "write what a completion must contain"
            raise SteelyardError(what, where="simplerl-zoo.form", hint=hint) from error

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order."""
        scores = self.task.score(episodes)
        return [self._earned(episode, score) for episode, score in zip(episodes, scores, strict=True)]

    def verified_by(self, reward: Reward) -> "SimpleRLZoo":
        """The same task with another verifier."""
        return replace(self, task=Scored(self.task, reward))

    def _earned(self, episode: Episode, score: Score) -> Score:
        if score.value is None or score.error is not None:
            return score
        right = score.value >= self.right_at
        parts = {**score.parts, "verified": score.value}
        if not self.form:
            return replace(score, value=float(right), parts=parts, right=right)
        formed = re.search(self.form, episode.completion) is not None
        value = self.formless if not formed else 1.0 if right else self.wrong
        return replace(score, value=value, parts={**parts, "formed": float(formed)}, right=right)
