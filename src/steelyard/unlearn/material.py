"""What audits of forgetting ask about, and the interface of an audit that needs more of it than prompts and answers.

An audit of this kind says what it lacks, in words: a job that cannot measure it says so, and the command refuses.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
import tyro
from jaxtyping import Float64

from steelyard.core import PositiveInt, checked, require
from steelyard.core.columns import Column, text_of
from steelyard.core.table import Measure, Table
from steelyard.policy import Policy
from steelyard.policy.auditor import PlacedRow
from steelyard.task.answered import Answered, AnsweredFile, same_number_of_wrong
from steelyard.task.columns import is_missing
from steelyard.unlearn.audit import Audit, Question, audit, recall

FORGET, HELD_OUT, RETAIN = "forget", "held-out", "retain"
DEFINITION = "definition"
"""Column with a text that says what was forgotten; a file need not have it."""
RECALLED = (
    Measure("questions", "number", "Prompts that were asked."),
    Measure("probability", "share", "Mean p(right)."),
    Measure("accuracy", "share", "Greedy answers that equal the right one, token by token."),
    Measure("truth", "share", "max(0, 1 - R): 0 where nothing is known; needs wrong answers."),
)
"""What `recalled` measures."""


@dataclass(frozen=True)
class Material:
    """Rows by what they are to the model."""

    forget: Sequence[Answered]
    """What it should have forgotten."""
    reworded: Sequence[Answered] = ()
    """Prompts to be forgotten in other words, with the same answers."""
    held_out: Sequence[Answered] = ()
    """What it never saw."""
    retrained_N: Float64[np.ndarray, "N"] | None = None
    """Truth ratios of a model that never saw what is to be forgotten, for each row of `forget`."""
    retain: Sequence[Answered] = ()
    """What it should have kept."""
    definitions: Mapping[str, str] = field(default_factory=dict)
    """Prompt id -> a text that says what was forgotten, for those that have one."""
    original: Policy | None = None
    """The model before unlearning."""
    retrained: Policy | None = None
    """A model that never saw what is to be forgotten."""


@checked()
@dataclass(frozen=True)
class ForgettingAudit(ABC):
    """An audit that measures a policy on material: settings that all have, and how rows of a file become material."""

    max_completion_length: PositiveInt = 64
    """Most tokens of a greedy answer; fewer where the model's context ends before."""
    part_column: str = "part"
    """Column with forget, held-out or retain; a file need not have it: then all is to be forgotten."""
    file: Annotated[AnsweredFile, tyro.conf.OmitArgPrefixes] = field(default_factory=AnsweredFile)
    """How rows become prompts and answers."""

    def columns(self) -> tuple[Column, ...]:
        """Prompt and right answer; perhaps wrong ones, other words, and the part."""
        (prompt, *_), (answer, *_) = self.file.columns.prompts, self.file.columns.answers
        lists = (Column(name, "texts") for name in (self.file.columns.wrong, self.file.columns.reworded))
        return Column(prompt), Column(answer), *lists, Column(self.part_column, "label", labels=(FORGET, HELD_OUT))

    def audit(self, policy: Policy, rows: Sequence[PlacedRow]) -> Table:
        """The table of the rows, which are first put in an order of their own.

        Raises:
            SteelyardError: a row has no prompt, no answer or an unknown part, or something is lacking.
        """
        material = self.completed(policy, self._material(rows))
        lacking = self.lacks(material)
        require(not lacking, f"cannot be measured without {lacking}", where="audit", hint="add it to --data")
        return self.measure(policy, material)

    def completed(self, policy: Policy, material: Material) -> Material:
        """The material of a file with what the settings name beside it."""
        return material

    @abstractmethod
    def lacks(self, material: Material) -> str:
        """What has to be given before it can be measured; empty where all is there."""

    @abstractmethod
    def measure(self, policy: Policy, material: Material) -> Table:
        """The table of material that lacks nothing. The policy stays as it is."""

    def _material(self, rows: Sequence[PlacedRow]) -> Material:
        parts: dict[str, list[Answered]] = {FORGET: [], HELD_OUT: [], RETAIN: []}
        definitions: dict[str, str] = {}
        for place, row in rows:
            part = str(row.get(self.part_column) or FORGET)
            hint = f"write one of {', '.join(parts)}"
            require(part in parts, f"column {self.part_column!r} is {part!r}", where=place, hint=hint)
            parts[part].append(self.file.answered(row, place))
            if not is_missing(row.get(DEFINITION)):
                definitions[parts[part][-1].prompt.id] = text_of(row, Column(DEFINITION), place)
        forget, held_out, retain = (
            sorted(part, key=lambda row: (row.prompt.id, row.answer)) for part in parts.values()
        )
        for name, part in (("forgotten", forget), ("kept", retain)):
            if part:
                same_number_of_wrong(part, f"what is to be {name}")
        return Material(forget, reworded_of(forget), held_out, retain=retain, definitions=definitions)


def reworded_of(rows: Sequence[Answered]) -> list[Answered]:
    """The rows once for each of their other wordings."""
    return [replace(row, prompt=prompt, reworded=()) for row in rows for prompt in row.reworded]


def recalled(policy: Policy, asked: Sequence[Question], max_tokens: int) -> tuple[float | int | None, ...]:
    """The numbers of `RECALLED`; greedy answers are shorter where the context ends before.

    Raises:
        SteelyardError: a prompt fills the model's context.
    """
    longest = max(int((~one.right.action_T).sum()) for one in asked)
    left = policy.context_length - longest
    hint = "take a model with a longer context"
    require(left > 0, f"a prompt has {longest} tokens, and the context ends", where="audit", hint=hint)
    found = (audit if asked[0].wrong else recall)(policy, asked, max_tokens=min(max_tokens, left))
    return len(asked), found.probability, found.accuracy, found.truth if isinstance(found, Audit) else None
