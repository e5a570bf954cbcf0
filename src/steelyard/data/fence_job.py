"""Building revised responses as a job, whose judge is a function or a model: `steelyard train fence`."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import tyro

from steelyard.core import Sampling, checked, require
from steelyard.data.builder import Judge
from steelyard.data.critique import ModelCritic
from steelyard.data.fence import FenCE
from steelyard.data.function_critic import FunctionCritic
from steelyard.data.job import Building
from steelyard.data.writer import PolicyWriter
from steelyard.policy import Policy


@checked()
@dataclass(frozen=True)
class Revising(Building):
    """Build revised responses to the prompts of a file."""

    OWN_DATA: ClassVar[str] = "--rows sourced.jsonl --generator MODEL --judge CRITIC"

    builder: Annotated[FenCE, tyro.conf.OmitArgPrefixes] = field(default_factory=FenCE)
    """How."""
    judge: str = ""
    """Who says whether claims are supported, and why: a model that writes critiques (a directory or a hub id), or a
    function, module:function or path/to/file.py:function."""

    def judging(self) -> Judge | None:
        """The judge, loaded; a model writes its critiques without drawing."""
        if not self._judge_is_model:
            return FunctionCritic(self.judge) if self.judge else None
        sampling = Sampling(0.0, self.max_completion_length)
        writer = PolicyWriter(Policy.load(self.judge).placed(self.device), self.judge, sampling)
        builder = self.builder
        return ModelCritic(writer, builder.critic, builder.documents_column, builder.chat)

    def check_judge(self) -> None:
        """Refuse a function without a name, and a model that has no documents to judge by."""
        if not self._judge_is_model:
            self.judging()
            return
        hint = "name the column of the documents, or a function as judge"
        given = bool(self.builder.documents_column)
        require(given, "is empty, and a model judges by documents", where="--documents-column", hint=hint)

    def models(self) -> list[str]:
        """The generator, and the judge where it is a model."""
        return [*super().models(), *([self.judge] if self._judge_is_model else [])]

    @property
    def _judge_is_model(self) -> bool:
        return bool(self.judge) and ":" not in self.judge
