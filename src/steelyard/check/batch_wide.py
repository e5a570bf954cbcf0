"""The check of objectives that look at a step's whole batch: what their `mark` must and must not depend on."""

from collections.abc import Mapping

import torch
from torch import Tensor

from steelyard.check.outcome import batch_for
from steelyard.check.verdict import demand
from steelyard.core import find_label, needs_of
from steelyard.objective import BatchWide, Objective


def marks(objective: Objective) -> None:
    """`mark` gives the labels that it names, by rewards and masks alone, whatever the order of prompts and samples."""
    if not isinstance(objective, BatchWide):
        return
    batch = batch_for(objective)
    unknown = batch.replace(logp_PGT=torch.zeros_like(batch.logp_PGT))
    found = objective.mark(unknown)
    demand(set(found) == set(objective.marked), f"it marks {sorted(found)} and names {sorted(objective.marked)}")
    for name, x_PG in found.items():
        demand(name in needs_of(objective).labels, f"its needs do not name {name!r}, which it marks")
        demand(find_label(name).axes == "PG", f"it marks {name!r}, whose axes are not PG")
        fits = x_PG.shape == batch.valid_PG.shape and bool(x_PG.isfinite().all())
        demand(fits, f"{name!r} is not one finite number for each sample")
    _same(found, objective.mark(batch), "the policy's log-probabilities are known")
    lost = unknown.replace(reward_PG=batch.field("reward_PG").where(batch.valid_PG, float("nan")))
    _same(found, objective.mark(lost), "the reward of invalid trajectories is NaN")
    turned = objective.mark(unknown.map(_turned))
    _same(found, {name: x_PG.flip(0, 1) for name, x_PG in turned.items()}, "prompts and samples are reversed")


def _turned(axes: str, x: Tensor) -> Tensor:
    return x.flip(0, 1) if axes.startswith("PG") else x.flip(0)


def _same(a: Mapping[str, Tensor], b: Mapping[str, Tensor], when: str) -> None:
    for name, x_PG in a.items():
        demand(torch.allclose(x_PG.double(), b[name].double()), f"{name!r} changes when {when}")
