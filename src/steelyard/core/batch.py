"""What an objective sees, and what it returns.

Axis letters, fixed once: P prompts, G samples per prompt, T steps, V vocabulary.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


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
    demonstration_PG: Bool[Tensor, "P G"] | None = None
    """True where the steps were given, not sampled by a policy."""
    passes_PG: Bool[Tensor, "P G"] | None = None
    """True where every constraint that was judged is kept."""
    domain_P: Int[Tensor, "P"] | None = None
    """The number of the prompt's domain, where a task has several."""
    retain_P: Bool[Tensor, "P"] | None = None
    """In unlearning: true where the prompt's completions are to be kept, false where they are to be forgotten."""

    def __post_init__(self) -> None:
        sizes = dict(zip("PGT", self.logp_PGT.shape, strict=True))
        for name, value in self._tensors().items():
            expected = tuple(sizes[a] for a in name.rpartition("_")[2])
            if tuple(value.shape) != expected:
                raise ValueError(f"Batch.{name} has shape {tuple(value.shape)}; logp_PGT makes that {expected}")

    def _tensors(self) -> dict[str, Tensor]:
        named = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: value for name, value in named.items() if value is not None}

    def needs(self, name: str) -> Tensor:
        """The named field.

        Raises:
            ValueError: the field is None.
        """
        value = getattr(self, name)
        if value is None:
            raise ValueError(f"this objective needs Batch.{name}, which is None")
        return value

    def replace(self, **changes: Tensor | None) -> "Batch":
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def prompts(self, index: Tensor | slice) -> "Batch":
        """The batch of some of the prompts: how micro-batches are cut, always between groups."""
        return Batch(**{name: value[index] for name, value in self._tensors().items()})

    def to(self, device: torch.device | str) -> "Batch":
        """The batch on another device."""
        return Batch(**{name: value.to(device) for name, value in self._tensors().items()})


@dataclass(frozen=True)
class Loss:
    """What an objective returns.

    Micro-batches combine as sum(weight * value) / sum(weight), metrics likewise, so cutting a batch between groups
    changes nothing. A batch with nothing to learn from has weight 0 and a value of 0 that still has a gradient.
    """

    value: Float[Tensor, ""]
    weight: float
    metrics: Mapping[str, float] = field(default_factory=dict)
