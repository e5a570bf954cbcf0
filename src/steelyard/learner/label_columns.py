"""Labels of trajectories to tensors of a batch, whatever the label: its registration says axes, kind and default.

P prompts, G samples per prompt, T steps. Padding holds the label's default, or 0.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from steelyard.core import Group, Label, LabelValue, SteelyardError, Trajectory, find_label, require
from steelyard.core.batch import DTYPES


def collate_label(name: str, groups: Sequence[Group], width: int) -> Tensor:
    """The label's values, [P], [P, G] or [P, G, T] as it is registered.

    Args:
        name: a registered label.
        groups: the trajectories of each prompt.
        width: T, steps of the padded batch.

    Raises:
        SteelyardError: a trajectory lacks a label that has no default, a value is of the wrong kind, a value for each
            token is wanted and there are more or fewer, or trajectories of one prompt disagree about it.
    """
    known = find_label(name)
    dtype = DTYPES[known.kind]
    if known.axes == "P":
        return torch.tensor([_of_prompt(known, group) for group in groups], dtype=dtype)
    size = max(len(group) for group in groups)
    filler = known.default or 0
    if known.axes == "PG":
        rows = [[_value(known, t) for t in group] + [filler] * (size - len(group)) for group in groups]
        return torch.tensor(rows, dtype=dtype)
    out_PGT = torch.full((len(groups), size, width), filler, dtype=dtype)
    for p, group in enumerate(groups):
        for g, t in enumerate(group):
            steps_T = _steps(known, t)
            out_PGT[p, g, : len(steps_T)] = torch.tensor(steps_T, dtype=dtype)
    return out_PGT


def _of_prompt(known: Label, group: Group) -> LabelValue:
    """The one value on which the prompt's trajectories agree; a trajectory without the label agrees with any."""
    values = {_value(known, t) for t in group if known.name in t.labels} or {_value(known, group[0])}
    what = f"its trajectories disagree about the label {known.name!r}: {sorted(values)}"
    require(len(values) == 1, what, where=f"prompt {group[0].prompt_id!r}", hint="give a prompt one value")
    return values.pop()


def _value(known: Label, t: Trajectory) -> LabelValue:
    where = f"prompt {t.prompt_id!r}, sample {t.sample}"
    if known.name in t.labels:
        return known.read(t.labels[known.name], where)
    if known.default is None:
        hint = f"learn from trajectories that have it: {known.help}"
        raise SteelyardError(f"has no label {known.name!r}, which the objective needs", where=where, hint=hint)
    return known.default


def _steps(known: Label, t: Trajectory) -> tuple[object, ...]:
    value = _value(known, t)
    length = len(t.tokens_T)
    steps_T = value if isinstance(value, tuple) else (value,) * length
    what = f"its label {known.name!r} has {len(steps_T)} values for {length} tokens"
    require(len(steps_T) == length, what, where=f"prompt {t.prompt_id!r}", hint="give one value for each token")
    return steps_T
