"""What an objective asks of whoever builds its batches, in one declaration."""

from collections.abc import Callable
from dataclasses import dataclass, fields

from torch import nn

from steelyard.core.batch import Batch
from steelyard.core.errors import SteelyardError, require, suggest
from steelyard.core.labels import find_label

Head = Callable[[int], nn.Module]
"""Width D of the policy's hidden states -> a module that maps states [N, D] to numbers [N]."""

_COMPUTED = {
    "entropy_PGT": "entropy=True",
    "others_logp_PGT": "others=True",
    "log_z_P": "log_z=HEAD",
    "value_PGT": "value=HEAD",
}
"""Fields that the learner computes, and the need that asks for each."""
_ALWAYS = ("logp_PGT", "action_PGT", "valid_PG", "labels")
_CHOICE = sorted({f.name for f in fields(Batch)} - {*_COMPUTED, *_ALWAYS, "tokens_PGT"})


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What an objective reads besides log-probabilities and masks.

    Declared on the class, `needs: ClassVar[Needs] = Needs(fields=("reward_PG",), least_group=2)`, or as a property
    where it follows from the settings.

    Raises:
        SteelyardError: an unknown field or label, or needs that contradict each other.
    """

    fields: tuple[str, ...] = ()
    """Fields of `Batch` that must not be None, such as `reward_PG`."""
    labels: tuple[str, ...] = ()
    """Registered labels that `Batch.labels` must hold."""
    entropy: bool = False
    """Whether the learner computes `entropy_PGT`: of the current policy, without gradient."""
    others: bool = False
    """Whether the learner computes `others_logp_PGT`: of the current policy, with gradient."""
    demonstrations: bool = False
    """Whether each prompt's given completion joins its group; the label `demonstration` marks it."""
    log_z: Head | None = None
    """Makes the head for `log_z_P` from pooled prompt states [P, D], which carry no gradient."""
    value: Head | None = None
    """Makes the head for `value_PGT` from states before actions [M, D]; the gradient reaches the policy's trunk."""
    group_size: int | None = None
    """The only number of samples per prompt that it takes; None takes any from `least_group` on."""
    on_policy: bool = False
    """Whether it holds only for samples that were drawn from the policy, if an older one: no decode rule chose them."""
    least_group: int = 1
    """Samples per prompt below which nothing is learned, because they are compared."""

    def __post_init__(self) -> None:
        for name in self.fields:
            if name in _COMPUTED:
                raise SteelyardError(f"{name} is computed by the learner", where="needs", hint=f"say {_COMPUTED[name]}")
            require(name in _CHOICE, f"unknown field {name!r}", where="needs", hint=suggest(name, _CHOICE))
        for name in self.labels:
            find_label(name)
        size = self.group_size
        fits = self.least_group > 0 and (size is None or size >= self.least_group)
        what = f"group_size is {size} and least_group {self.least_group}"
        require(fits, what, where="needs", hint="use 1 or more, and no group_size below least_group")

    @property
    def collated(self) -> tuple[str, ...]:
        """The labels that a batch gets: those that are named, and the mark of demonstrations where these are added."""
        named = self.labels
        return (*named, "demonstration") if self.demonstrations and "demonstration" not in named else named

    @property
    def true_samples(self) -> bool:
        """Whether samples must be draws from a policy: their log-probabilities are read, or a mean over them is one."""
        return self.on_policy or "logp_behaviour_PGT" in self.fields

    @property
    def reads(self) -> frozenset[str]:
        """All fields that may be read: those that are named, and what the learner computes for it."""
        asked = (self.entropy, self.others, self.log_z is not None, self.value is not None)
        return frozenset(self.fields) | {name for name, yes in zip(_COMPUTED, asked, strict=True) if yes}


def needs_of(objective: object) -> Needs:
    """The needs that an objective declares; a plain function without any reads log-probabilities and masks alone."""
    found = getattr(objective, "needs", None)
    return found if isinstance(found, Needs) else Needs()
