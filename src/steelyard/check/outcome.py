"""What the objectives' checks work on: a random batch, and what an objective makes of it.

P prompts, G samples per prompt, T steps.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from steelyard.check.verdict import demand
from steelyard.core import Batch, Loss, find_label, needs_of
from steelyard.core.batch import DTYPES
from steelyard.objective import Objective, StatefulObjective

S = TypeVar("S")

CUT = (slice(0, 2), slice(2, 3), slice(3, 4), slice(4, 5))
"""Micro-batches of `random_batch`; the third has nothing valid."""


_LABELS = ("domain", "retain", "passes", "demonstration")


def random_batch(group_size: int | None = None, seed: int = 0, labels: Sequence[str] = _LABELS) -> Batch:
    """Five prompts with every field and the named labels filled, in double precision.

    Prompts 0 and 4 are wholly valid, 1 lacks one sample, 2 has a single valid one, 3 none. Answers are ragged and
    follow one step that is no action.
    """
    draw = torch.Generator().manual_seed(seed)
    P = 5
    G = group_size or 4
    T = 6

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    length_PG1 = torch.randint(1, T, (P, G, 1), generator=draw)
    action_PGT = (torch.arange(T) >= 1) & (torch.arange(T) <= length_PG1)
    valid_PG = torch.ones(P, G, dtype=torch.bool)
    valid_PG[1, 0] = False
    valid_PG[2, 1:] = False
    valid_PG[3] = False
    logp_PGT = -normal(P, G, T).abs()
    batch = Batch(
        logp_PGT=logp_PGT * action_PGT,
        action_PGT=action_PGT,
        valid_PG=valid_PG,
        reward_PG=normal(P, G),
        tokens_PGT=torch.randint(0, 50, (P, G, T), generator=draw),
        logp_ref_PGT=(logp_PGT + 0.3 * normal(P, G, T)) * action_PGT,
        logp_behaviour_PGT=(logp_PGT + 0.3 * normal(P, G, T)) * action_PGT,
        version_PG=torch.randint(0, 5, (P, G), generator=draw),
        reward_PGT=normal(P, G, T) * action_PGT,
        entropy_PGT=normal(P, G, T).abs() * action_PGT,
        log_z_P=normal(P),
        ref_version_PG=torch.zeros(P, G, dtype=torch.long),
        value_PGT=normal(P, G, T) * action_PGT,
        others_logp_PGT=(logp_PGT - 1.0) * action_PGT,
    )
    known = {
        "demonstration": ((torch.arange(G) == G - 1) & (G > 2)).repeat(P, 1),
        "passes": torch.rand(P, G, generator=draw) < 0.6,
        "domain": torch.arange(P) % 2,
        "retain": torch.arange(P) % 2 == 0,
    }
    return batch.labelled(**{name: known[name] if name in known else _random_label(name, batch) for name in labels})


def _random_label(name: str, batch: Batch) -> Tensor:
    """Values of a label of any registration: whole numbers 0 and 1, switches, or numbers between 0 and 1."""
    label = find_label(name)
    shape = batch.logp_PGT.shape[: len(label.axes)]
    value = torch.rand(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return value if label.kind is float else (value < 0.5).to(DTYPES[label.kind])


@dataclass(frozen=True)
class Outcome:
    """A loss, with its gradient by `logp_PGT` and, where it has one, by `value_PGT` and `log_z_P`."""

    loss: Loss
    by_logp_PGT: Tensor
    by_value_PGT: Tensor
    by_log_z_P: Tensor

    def changed(self, change: Callable[[Tensor], Tensor], by_log_z_P: Tensor | None = None) -> "Outcome":
        """Both gradients by steps after a change, and another one by `log_z_P` if it is given."""
        by_log_z_P = self.by_log_z_P if by_log_z_P is None else by_log_z_P
        return Outcome(self.loss, change(self.by_logp_PGT), change(self.by_value_PGT), by_log_z_P)

    def reaches(self, where: Tensor) -> bool:
        """True where a gradient by steps is not 0 at an index of these."""
        return bool(self.by_logp_PGT[where].any() or self.by_value_PGT[where].any())


def batch_for(objective: object, seed: int = 0) -> Batch:
    """A random batch of the group size and with the labels that the objective needs."""
    needs = needs_of(objective)
    return random_batch(needs.group_size, seed, sorted({*_LABELS, *needs.collated}))


def loss_of(objective: Objective, batch: Batch) -> Loss:
    """The loss; of a stateful objective in the state after two steps, so that the state matters."""
    return objective(batch, later_state(objective)) if isinstance(objective, StatefulObjective) else objective(batch)


def later_state(objective: StatefulObjective[S]) -> S:
    """The state after two steps on random batches."""
    state = objective.init()
    for seed in (11, 12):
        state = objective.update(state, objective(batch_for(objective, seed), state).stats)
    return state


def outcome(objective: Objective, batch: Batch) -> Outcome:
    """Call the objective and differentiate."""
    value_PGT = torch.zeros_like(batch.logp_PGT) if batch.value_PGT is None else batch.value_PGT
    inputs = {"logp_PGT": batch.logp_PGT, "value_PGT": value_PGT, "log_z_P": batch.field("log_z_P")}
    leaves = {name: x.detach().clone().requires_grad_() for name, x in inputs.items()}
    loss = loss_of(objective, batch.replace(**leaves))
    demand(loss.value.requires_grad, "the value carries no gradient")
    by = torch.autograd.grad(loss.value, [*leaves.values()], allow_unused=True, materialize_grads=True)
    return Outcome(loss, *by)
