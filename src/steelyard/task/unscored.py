"""Prompts of a file that nobody scores: for an objective that makes its reward of the policy's own distributions.

    r(y | x) = 0

Rows are as in `rows` but need no answer. Where a run names a reward, that is reported, and learned from by nobody.
Source: none, this part is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import tyro

from steelyard.core import Episode, Prompt, Score, method
from steelyard.reward import Closable
from steelyard.task.rows import NO_FILE, Rows
from steelyard.task.wrapped import OF_THE_PROMPTS


@method("unscored", exemptions=NO_FILE)
@dataclass(frozen=True)
class Unscored(Closable):
    """The prompts of a JSONL or Parquet file, or of a data set of the hub, without a verifier."""

    OWN_DATA: ClassVar[str] = Rows.OWN_DATA

    rows: Annotated[Rows, tyro.conf.OmitArgPrefixes] = field(default_factory=lambda: Rows(needs_answer=False))
    """Where the prompts come from."""

    needs_answer: ClassVar[bool] = True  # what scores is there already, whatever the rows say

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The prompts of "train" or "held-out", in the file's order."""
        return self.rows.prompts(split)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """0 for each episode."""
        return [Score(0.0)] * len(episodes)

    def close(self) -> None:
        """End what the rows have opened."""
        self.rows.close()

    def __getattr__(self, name: str) -> Any:
        if name in OF_THE_PROMPTS:
            return getattr(self.rows, name)
        raise AttributeError(f"{type(self).__name__} has no {name!r}")
