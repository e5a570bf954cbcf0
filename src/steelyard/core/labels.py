"""Labels: what else a trajectory carries for an objective, by a registered name with its axes.

    P      one value for a prompt (`Prompt.labels`, else its column of that name), on all of its trajectories
    PG     one value for a trajectory: from its verifier (`Score.labels`) or from whoever made the trajectory
    PGT    one value for each of its T tokens, from the same sources

An objective names the labels that it reads in `Needs(labels=...)`. A label of one's own is registered beside the
objective that reads it, and nothing else changes:

    label("difficulty", axes="P", kind=float, help="How hard the prompt is, from 0 to 1.")
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from steelyard.core.errors import SteelyardError, require, suggest
from steelyard.core.trajectory import LabelValue, Number, Prompt

Axes = Literal["P", "PG", "PGT"]


@dataclass(frozen=True)
class Label:
    """What the registry knows of a label."""

    name: str
    """Snake-case name, unique in the registry: the key in `Trajectory.labels` and `Batch.labels`."""
    axes: Axes
    """P prompts, G samples per prompt, T steps: what there is one value for."""
    kind: type[bool] | type[int] | type[float]
    """Type of a value."""
    help: str
    """What the label says, in a line."""
    default: Number | None = None
    """Value of a trajectory without the label; None where a label that is needed must be there."""

    def read(self, value: object, where: str) -> LabelValue:
        """The value, checked: of the label's kind, and a tuple of such for axes PGT.

        Raises:
            SteelyardError: a value of another kind, or a number that is not finite.
        """
        if self.axes != "PGT":
            return self._number(value, where)
        listed = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        require(listed, f"its label {self.name!r} is {value!r}", where=where, hint="give one value for each token")
        return tuple(self._number(item, where) for item in value)  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]

    def _number(self, value: object, where: str) -> Number:
        fits = isinstance(value, self.kind) and isinstance(value, bool) == (self.kind is bool)
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        hint = f"write {_WORDS[self.kind]}: {self.help}"
        require(fits and math.isfinite(value), f"its label {self.name!r} is {value!r}", where=where, hint=hint)  # pyright: ignore[reportArgumentType]
        small = not isinstance(value, int) or -(2**63) <= value < 2**63  # what a stored trajectory can hold
        require(small, f"its label {self.name!r} has more than 64 bits", where=where, hint="write a smaller number")
        return value  # pyright: ignore[reportReturnType]


_WORDS = {bool: "true or false", int: "a whole number", float: "a number"}
_labels: dict[str, Label] = {}


def label(
    name: str, *, axes: Axes, kind: type[bool] | type[int] | type[float], help: str, default: Number | None = None
) -> Label:
    """Register a label; the same registration twice is one.

    Raises:
        ValueError: a label of that name is registered with other axes, kind or default.
    """
    new = Label(name, axes, kind, help, default)
    held = _labels.setdefault(name, new)
    if held != new:
        raise ValueError(f"label {name!r} is registered already, as {held}")
    return held


def find_label(name: str) -> Label:
    """The label of that name.

    Raises:
        SteelyardError: none is registered; the message suggests near names.
    """
    if name not in _labels:
        raise SteelyardError(f"unknown label {name!r}", where="labels", hint=suggest(name, _labels))
    return _labels[name]


def labels_of(prompt: Prompt, names: Iterable[str]) -> dict[str, LabelValue]:
    """The named labels with axes P that the prompt has; those of other axes are not the prompt's.

    Raises:
        SteelyardError: the prompt lacks a label that has no default, or its value is of the wrong kind.
    """
    found: dict[str, LabelValue] = {}
    for known in map(find_label, names):
        if known.axes != "P":
            continue
        value = prompt.of_label(known.name)
        if value is not None:
            found[known.name] = known.read(value, prompt.where)
        elif known.default is None:
            what = f"has no column {known.name!r}, which the objective needs as a label"
            raise SteelyardError(what, where=prompt.where, hint=f"add it: {known.help}")
    return found


label("domain", axes="P", kind=int, default=0, help="The number of the prompt's domain, where a task has several.")
label("retain", axes="P", kind=bool, help="In unlearning: true to keep the prompt's completions, false to forget them.")
label("passes", axes="PG", kind=bool, default=True, help="True where every constraint that was judged is kept.")
label("demonstration", axes="PG", kind=bool, default=False, help="True where the completion was given, not sampled.")
