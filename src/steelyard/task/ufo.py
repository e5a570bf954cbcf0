"""UFO: any task of one turn as an episode of attempts, where a wrong one is answered by the same sentence every time.

Differs: repetitions are counted within an episode, where the authors' counters go on through all episodes of an
environment; the sentence is worded anew; an attempt that was cut off at the length limit ends the episode.

    question   attempt 0   feedback   attempt 1   feedback ...        until one is right, or there were max_turns
    return = sum_t gamma^t [attempt t is right] - lambda (1 - E / T) - 0.1 (attempts without an answer)

gamma (`turn_decay`) and lambda (`repeat_penalty`) are 1/2; T attempts had an answer, E different ones. The whole return
is paid at the end of the episode. Nothing in the context ever says that an answer was right, and only the policy's own
tokens are actions. With `max_turns` 1 it is single-turn RL. Evaluation plays the same episodes: its accuracy is the
share that is solved in all turns, `first` that in the first.
Source: Liu et al. 2025, arXiv:2507.14295.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, ClassVar

import tyro

from steelyard.core import (
    Environment,
    Episode,
    Interactive,
    Prompt,
    Reward,
    Score,
    Task,
    method,
    outcomes,
    require,
)
from steelyard.reward.gathered import Gathered
from steelyard.task.attempts import AttemptRules, Attempts
from steelyard.task.rows import NO_FILE, Rows
from steelyard.task.scored import Scored
from steelyard.task.wrapped import Wrapped


@method(
    "ufo",
    paper="arXiv:2507.14295",
    claim="Being told no, and nothing else, teaches a policy to solve more in several turns than single-turn RL does.",
    exemptions=NO_FILE,
)
@dataclass(frozen=True)
class UFO(AttemptRules, Wrapped):
    """A task of one turn, played until an attempt is right."""

    OWN_DATA: ClassVar[str] = Rows.OWN_DATA

    task: Annotated[Task, tyro.conf.OmitArgPrefixes] = field(default_factory=Rows)
    """Questions, and the verifier of each attempt."""

    def __post_init__(self) -> None:
        what = f"{type(self.task).__name__} has several turns already"
        require(not isinstance(self.task, Interactive), what, where="ufo.task", hint="give a task of one turn")

    def environment(self, prompt: Prompt, sample: int) -> Environment:
        """An episode about the prompt."""
        return Attempts(self, self._verify)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """What the episodes ended with."""
        return outcomes(episodes)

    def verified_by(self, reward: Reward) -> "UFO":
        """The same task with another verifier, whose answers are texts."""
        return replace(self, task=Scored(self.task, reward), answers="text")

    @cached_property
    def _verify(self) -> Gathered:
        return Gathered(self.task.score)
