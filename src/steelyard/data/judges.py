"""Who rates texts for builders, by name; and a judge that is not asked about what another rules out.

    module:function, path/to/file.py:function      a function in a process of its own (`function_judge.py`)
    reward-model:RUN, love:RUN, guard:RUN          a reward that is named so (`reward/given.py`)

A constraint is a judge, too: a text keeps it where its number is above 1/2, as with `--constraint` of a run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.core import Episode, Prompt, Reward, require
from steelyard.data.builder import Judge
from steelyard.data.function_judge import FunctionJudge
from steelyard.policy.text import Text
from steelyard.reward import named_model as named_model  # rewards named reward-model:RUN
from steelyard.reward.given import sourced
from steelyard.reward.pool import Closable

KEPT = 0.5
"""A constraint is kept where its number is above this."""


def judge_of(name: str, flag: str = "--judge") -> Judge:
    """The judge of a name; nothing is read or started yet.

    Raises:
        SteelyardError: it names nothing that rates, or a file that is not there.
    """
    reward = sourced(name)
    if reward is not None:
        return RewardJudge(name, reward)
    file, _, function = name.rpartition(":")
    hint = "write module:function, path/to/file.py:function, reward-model:RUN or guard:RUN"
    require(bool(file) and function.isidentifier(), f"{name!r} names nothing that rates", where=flag, hint=hint)
    gone = file.endswith(".py") and not Path(file).is_file()
    require(not gone, f"there is no file {file}", where=flag, hint="name a file that is there")
    return FunctionJudge(name)


def tried(judge: Judge) -> None:
    """Have a judge that reads a model read it now, so that what is wrong with it is told before anything is built.

    Raises:
        SteelyardError: there is no such model, or it is damaged.
    """
    if isinstance(judge, RewardJudge):
        judge(["a"], ["b"])


@dataclass(frozen=True)
class RewardJudge(Closable):
    """A reward that rates completed answers."""

    name: str
    reward: Reward

    def __call__(
        self, prompts: Sequence[Text], completions: Sequence[str], **columns: Sequence[object]
    ) -> list[float | None]:
        """The reward of each; None where it cannot tell."""
        if not completions:
            return []
        rows = [{name: of[i] for name, of in columns.items()} for i in range(len(completions))]
        episodes = [
            Episode.written(Prompt(str(i), prompt, row), said, "stop")
            for i, (prompt, said, row) in enumerate(zip(prompts, completions, rows, strict=True))
        ]
        return [score.value for score in self.reward(episodes)]

    def close(self) -> None:
        """End its processes, where there are any."""
        if isinstance(self.reward, Closable):
            self.reward.close()


@dataclass(frozen=True)
class KeptBy(Closable):
    """A judge that is asked only about what keeps a constraint; of all else it says that it cannot tell."""

    judge: Judge
    constraint: Judge

    @property
    def name(self) -> str:
        """Both."""
        return f"{self.judge.name}, kept by {self.constraint.name}"

    def __call__(
        self, prompts: Sequence[Text], completions: Sequence[str], **columns: Sequence[object]
    ) -> list[float | None]:
        """The judge's number for each completion that keeps the constraint, None for the others."""
        verdicts = self.constraint(prompts, completions, **columns)
        kept = [i for i, value in enumerate(verdicts) if value is not None and value > KEPT]
        of_kept = {name: [of[i] for i in kept] for name, of in columns.items()}
        rated = self.judge([prompts[i] for i in kept], [completions[i] for i in kept], **of_kept)
        found: list[float | None] = [None] * len(completions)
        for i, value in zip(kept, rated, strict=True):
            found[i] = value
        return found

    def close(self) -> None:
        """End the processes of both."""
        for part in (self.judge, self.constraint):
            if isinstance(part, Closable):
                part.close()
