"""What an objective sees, and what it returns.

Axis letters, fixed once: P prompts, G samples per prompt, T steps, V vocabulary.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from steelyard.core.labels import find_label

DTYPES = {bool: torch.bool, int: torch.long, float: torch.float32}
"""A label's kind -> the type of its values in a batch."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """P prompts x G trajectories x T steps, padded, with masks. Log-probabilities in nats.

    `logp_PGT[..., t]` is the log-probability of step t given all before it under the current policy, and carries the
    gradient; it is 0 where step t is not an action. T counts steps: tokens for text, and an objective never looks at
    which. `valid_PG` is false for padding and for trajectories without a reward, whose `reward_PG` may be anything.
    Fields that a method does not use may be None.

    Raises:
        ValueError: a field's shape disagrees with `logp_PGT`'s.
    """

    logp_PGT: Float[Tensor, "P G T"]
    action_PGT: Bool[Tensor, "P G T"]
    valid_PG: Bool[Tensor, "P G"]
    reward_PG: Float[Tensor, "P G"] | None = None
    tokens_PGT: Int[Tensor, "P G T"] | None = None
    logp_ref_PGT: Float[Tensor, "P G T"] | None = None
    logp_behaviour_PGT: Float[Tensor, "P G T"] | None = None
    version_PG: Int[Tensor, "P G"] | None = None
    reward_PGT: Float[Tensor, "P G T"] | None = None
    entropy_PGT: Float[Tensor, "P G T"] | None = None
    log_z_P: Float[Tensor, "P"] | None = None
    ref_version_PG: Int[Tensor, "P G"] | None = None
    value_PGT: Float[Tensor, "P G T"] | None = None
    """A trained head's prediction before step t; carries a gradient."""
    others_logp_PGT: Float[Tensor, "P G T"] | None = None
    """Mean log-probability of all that might have stood in the place of step t; carries a gradient."""
    labels: Mapping[str, Tensor] = field(default_factory=dict)
    """Label -> its values, with the axes that the label is registered with."""

    def __post_init__(self) -> None:
        sizes = dict(zip("PGT", self.logp_PGT.shape, strict=True))
        for name, axes, value in self._tensors():
            expected = tuple(sizes[a] for a in axes)
            if tuple(value.shape) != expected:
                raise ValueError(f"Batch.{name} has shape {tuple(value.shape)}; logp_PGT makes that {expected}")

    def _tensors(self) -> Iterator[tuple[str, str, Tensor]]:
        """Name, axes and values of every field that is not None, and of every label."""
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if f.name != "labels" and value is not None:
                yield f.name, f.name.rpartition("_")[2], value
        for name, value in self.labels.items():
            yield f"labels[{name!r}]", find_label(name).axes, value

    def field(self, name: str) -> Tensor:
        """The named field.

        Raises:
            ValueError: the field is None.
        """
        value = getattr(self, name)
        if value is None:
            raise ValueError(f"this objective needs Batch.{name}, which is None")
        return value

    def label(self, name: str) -> Tensor:
        """The named label; the label's default everywhere where the batch does not hold it.

        Raises:
            ValueError: the batch does not hold the label, which has no default.
        """
        if name in self.labels:
            return self.labels[name]
        known = find_label(name)
        if known.default is None:
            raise ValueError(f"this objective needs the label {name!r}, which the batch does not hold")
        shape = self.logp_PGT.shape[: len(known.axes)]
        return torch.full(shape, known.default, dtype=DTYPES[known.kind], device=self.logp_PGT.device)

    def replace(self, **changes: Tensor | None) -> "Batch":
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)  # pyright: ignore[reportArgumentType]

    def labelled(self, **labels: Tensor) -> "Batch":
        """A copy with some labels added or changed."""
        return dataclasses.replace(self, labels={**self.labels, **labels})

    def map(self, change: Callable[[str, Tensor], Tensor]) -> "Batch":
        """A copy in which every field and label is `change(axes, values)`; axes are letters such as "PG"."""
        fields = {
            f.name: change(f.name.rpartition("_")[2], value)
            for f in dataclasses.fields(self)
            if f.name != "labels" and (value := getattr(self, f.name)) is not None
        }
        return Batch(**fields, labels={name: change(find_label(name).axes, x) for name, x in self.labels.items()})

    def prompts(self, index: Tensor | slice) -> "Batch":
        """The batch of some of the prompts: how micro-batches are cut, always between groups."""
        return self.map(lambda axes, x: x[index])

    def to(self, device: torch.device | str) -> "Batch":
        """The batch on another device."""
        return self.map(lambda axes, x: x.to(device))


@dataclass(frozen=True)
class Loss:
    """What an objective returns.

    Micro-batches combine as sum(weight * value) / sum(weight), metrics and stats likewise, so cutting a batch between
    groups changes nothing. A batch with nothing to learn from has weight 0 and a value of 0 that still has a gradient.
    """

    value: Float[Tensor, ""]
    weight: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    stats: Mapping[str, float] = field(default_factory=dict)
    """What a stateful objective's `update` reads once for each optimiser step."""
