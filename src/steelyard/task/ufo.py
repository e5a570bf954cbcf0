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
from typing import Annotated, Any, ClassVar

import tyro

from steelyard.core import (
    Environment,
    Episode,
    Interactive,
    Prompt,
    Reward,
    Score,
    Stops,
    Task,
    method,
    outcomes,
    require,
)
from steelyard.reward import Closable
from steelyard.reward.gathered import Gathered
from steelyard.task.attempts import AttemptRules, Attempts
from steelyard.task.rows import NO_FILE, Rows
from steelyard.task.scored import Scored

OF_THE_PROMPTS = ("columns", "demonstration", "domains", "fetches", "models", "needs_answer", "notes", "path")
"""What rooms ask a task for besides prompts and scores, where it has it: here the inner task answers."""


@method(
    "ufo",
    paper="arXiv:2507.14295",
    claim="Being told no, and nothing else, teaches a policy to solve more in several turns than single-turn RL does.",
    exemptions=NO_FILE,
)
@dataclass(frozen=True)
class UFO(AttemptRules, Closable):
    """A task of one turn, played until an attempt is right."""

    OWN_DATA: ClassVar[str] = Rows.OWN_DATA

    task: Annotated[Task, tyro.conf.OmitArgPrefixes] = field(default_factory=Rows)
    """Questions, and the verifier of each attempt."""

    def __post_init__(self) -> None:
        what = f"{type(self.task).__name__} has several turns already"
        require(not isinstance(self.task, Interactive), what, where="ufo.task", hint="give a task of one turn")

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The prompts of the inner task."""
        return self.task.prompts(split)

    def environment(self, prompt: Prompt, sample: int) -> Environment:
        """An episode about the prompt."""
        return Attempts(self, self._verify)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """What the episodes ended with."""
        return outcomes(episodes)

    def verified_by(self, reward: Reward) -> "UFO":
        """The same task with another verifier, whose answers are texts."""
        return replace(self, task=Scored(self.task, reward), answers="text")

    @property
    def stop(self) -> Sequence[str]:
        """The strings that end an attempt: those of the inner task."""
        return self.task.stop if isinstance(self.task, Stops) else ()

    @cached_property
    def _verify(self) -> Gathered:
        return Gathered(self.task.score)

    def close(self) -> None:
        """End the child processes of the verifier."""
        if isinstance(self.task, Closable):
            self.task.close()

    def __getattr__(self, name: str) -> Any:
        if name in OF_THE_PROMPTS:
            return getattr(self.task, name)
        raise AttributeError(f"{type(self).__name__} has no {name!r}")
