"""What is to be forgotten and what is to be kept, as files, and how forgetting is audited: for every way to forget.

Both files hold prompts with answers, and perhaps wrong answers for the audit (`task/answered.py`). The audit is of
`unlearn/audit.py`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
import tyro
from jaxtyping import Float64

from steelyard.core import Group, PositiveInt, Prompt, Trajectory, checked, require
from steelyard.core.json import JsonObject
from steelyard.learner import demonstration
from steelyard.policy import Policy
from steelyard.task.answered import Answered, AnsweredFile, same_number_of_wrong
from steelyard.unlearn.forgetting_audits import ForgettingAudits
from steelyard.unlearn.material import Material, reworded_of
from steelyard.unlearn.two_sided_audit import Part, TwoSidedAudit, truth_ratios_of

Plain = tyro.conf.OmitArgPrefixes
Measure = Callable[[], tuple[JsonObject, list[JsonObject]]]


class Files(NamedTuple):
    """What was read."""

    forget: list[Answered]
    retain: list[Answered]
    reworded: list[Answered]
    """Prompts to be forgotten in other words."""
    held_out: list[Answered]
    """What the model never saw."""
    notes: Counter[str]


@checked()
@dataclass(frozen=True)
class ForgetRequest:
    """Files, and audits: what every job of forgetting derives from."""

    OWN_DATA: ClassVar[str] = "--forget forget.jsonl --retain retain.jsonl"

    forget: str = ""
    """JSONL or Parquet file of what is to be forgotten: columns prompt and answer, perhaps wrong."""
    retain: str = ""
    """The same of what is to be kept; empty retains nothing."""
    max_completion_length: PositiveInt = 64
    """Most tokens of a sampled answer, and of a greedy one in the audit."""
    audited: PositiveInt = 128
    """Prompts of each file that are audited, the first ones."""
    retrained: str = ""
    """A model trained without what is to be forgotten, for the forget quality; needs wrong answers. Empty for none."""
    reworded: str = ""
    """File of prompts to be forgotten in other words, with the same answers, for the audit; empty for the wordings in
    the column reworded, where the file to forget has one."""
    held_out: str = ""
    """File of prompts and answers that the model never saw, for the audit of membership; empty for none."""
    audits: ForgettingAudits = field(default_factory=ForgettingAudits)
    """Audits before the first step and after the last."""
    file: Annotated[AnsweredFile, Plain] = field(default_factory=AnsweredFile)
    """How rows become prompts and answers."""

    def asked(self) -> Sequence[Prompt]:
        """Prompts to be forgotten and to be kept, in turn."""
        read = self.read()
        pairs = zip(read.forget, read.retain, strict=False)
        both = [row.prompt for pair in pairs for row in pair]
        return both or [row.prompt for row in read.forget]

    def audit(self, policy: Policy, read: Files, ends: Callable[[], bool], *, dtype: str, device: str) -> Measure:
        """What measures the policy as it is; audits that take long are made where `ends` says so."""
        parts = {"forget": Part.of(policy, read.forget[: self.audited])}
        if read.retain:
            parts["retain"] = Part.of(policy, read.retain[: self.audited])
        rows = read.forget[: self.audited]
        never = truth_ratios_of(self.retrained, dtype, device, rows) if self.retrained else None
        two_sided = TwoSidedAudit(policy, parts, self.max_completion_length, never)
        material = self._material(read, never)

        def measure() -> tuple[JsonObject, list[JsonObject]]:
            row, samples = two_sided()
            more = self.audits.measure(policy, material, self.max_completion_length) if ends() else {}
            return {**row, **more}, samples

        return measure

    def read(self) -> Files:
        """The rows of all files.

        Raises:
            SteelyardError: a file is wrong, or two that must not share a prompt do.
        """
        forget, notes = self.file.read(self.forget, "--forget")
        retain, more = self.file.read(self.retain, "--retain") if self.retain else ([], Counter())
        numbers = [same_number_of_wrong(forget, self.forget)]
        numbers += [same_number_of_wrong(retain, self.retain)] if retain else []
        check_apart(retain, forget, self.forget)
        hint = "add a column wrong to the file to forget, or leave --retrained out"
        able = numbers[0] > 0 or not self.retrained
        require(able, "needs wrong answers for truth ratios", where="--retrained", hint=hint)
        reworded, held_out = (self._beside(getattr(self, name), forget, name) for name in ("reworded", "held_out"))
        return Files(forget, retain, reworded or reworded_of(forget), held_out, notes + more)

    def _beside(self, path: str, forget: Sequence[Answered], name: str) -> list[Answered]:
        """The rows of a file for the audit alone, none of which asks what is to be forgotten as it stands there.

        Raises:
            SteelyardError: it cannot be read, a row is to be forgotten, or rows differ in wrong answers.
        """
        if not path:
            return []
        rows, _ = self.file.read(path, f"--{name.replace('_', '-')}")
        check_apart(rows, forget, self.forget)
        same_number_of_wrong(rows, path)
        return rows

    def facts(self, read: Files) -> JsonObject:
        """The data in numbers, and what is not measured for lack of data."""
        wrong = {"wrong_answers_each": len(read.forget[0].wrong)}
        lacking = self.audits.lacking(self._material(read, None))
        lacks = {"not_measured_without": "; ".join(lacking)} if lacking else {}
        return {"forget": len(read.forget), "retain": len(read.retain), **wrong, **lacks, "notes": dict(read.notes)}

    def _material(self, read: Files, retrained_N: Float64[np.ndarray, "N"] | None) -> Material:
        forget, reworded, held_out = (part[: self.audited] for part in (read.forget, read.reworded, read.held_out))
        return Material(forget, reworded, held_out, retrained_N)

    def given(self, policy: Policy, rows: Sequence[Answered]) -> list[Group]:
        """The rows with their answers, in a policy's tokens."""
        return [[demonstration(policy, row.prompt, row.answer, labels={"retain": True})] for row in rows]

    def check_lengths(self, policy: Policy, groups: Sequence[Group]) -> int:
        """The longest row (tokens).

        Raises:
            SteelyardError: as the function of this name.
        """
        rows = [t for group in groups for t in group]
        return check_lengths(policy, rows, rows, self.max_completion_length)


@runtime_checkable
class Row(Protocol):
    """What has a prompt."""

    @property
    def prompt(self) -> Prompt:
        """It."""
        ...


def check_apart(rows: Iterable[Row], others: Iterable[Row], path: str) -> None:
    """Refuse a row whose prompt is that of another, which stands in the file `path`.

    Raises:
        SteelyardError: there is one; its place is told.
    """
    known = {other.prompt.id for other in others}
    for row in rows:
        hint = "leave it out of one file"
        require(row.prompt.id not in known, f"its prompt is in {path} too", where=row.prompt.place, hint=hint)


def check_lengths(
    policy: Policy, rows: Iterable[Trajectory], answered: Iterable[Trajectory], max_completion_length: int
) -> int:
    """The longest row (tokens).

    Args:
        policy: its context is to hold them.
        rows: prompts with their answers.
        answered: those of them whose prompts are asked.
        max_completion_length: most tokens of what it then says.

    Raises:
        SteelyardError: a row does not fit the model's context, or a prompt leaves no room for an answer.
    """
    longest = max(len(t.tokens_T) for t in rows)
    context = policy.context_length
    what = f"a prompt with its answer has {longest} tokens, and the model's context {context}"
    hint = "shorten the row, or take a model with a longer context"
    require(longest <= context, what, where="data", hint=hint)
    asked = max(len(t.tokens_T) - int(t.action_T.sum()) for t in answered)
    what = f"is {max_completion_length}: a prompt of {asked} tokens leaves {context - asked} of the context"
    fits = asked + max_completion_length <= context
    require(fits, what, where="--max-completion-length", hint="lower it")
    return longest
