"""Log-probabilities under the reference: computed once by the searcher, and again only after the reference moved."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch

from steelyard.core import Group, Trajectory, Weights, pad
from steelyard.policy.policy import Policy


@torch.no_grad()
def reference_logp(
    policy: Policy, reference: Weights, trajectories: Sequence[Trajectory], temperature: float
) -> list[Trajectory]:
    """The trajectories with `logp_ref_T` under `reference` at `temperature`, stamped with the reference's version.

    Samples of the reference itself, at the same temperature, already carry it as their behaviour.
    """
    return reference_logp_apart(policy, reference, [trajectories], temperature)[0]


@torch.no_grad()
def reference_logp_apart(
    policy: Policy, reference: Weights, groups: Sequence[Sequence[Trajectory]], temperature: float
) -> list[Group]:
    """As `reference_logp`, but what is found for a group does not depend on what else is asked, not by a bit."""
    own = [all(_sampled_from(reference, t, temperature) for t in group) for group in groups]
    with nullcontext() if all(own) else policy.holding(reference.data):
        return [
            _as_sampled(reference.version, group) if sampled else _read(policy, reference.version, group, temperature)
            for group, sampled in zip(groups, own, strict=True)
        ]


def _as_sampled(version: int, trajectories: Sequence[Trajectory]) -> list[Trajectory]:
    """The trajectories of the reference itself: their log-probabilities are those that they were sampled with."""
    return [t.replace(logp_ref_T=t.logp_behaviour_T, ref_version=version) for t in trajectories]


def _read(policy: Policy, version: int, trajectories: Sequence[Trajectory], temperature: float) -> list[Trajectory]:
    """The trajectories with `logp_ref_T` under the policy as it is, stamped with the version."""
    batch = pad(trajectories)
    logp_NT = policy.step_logp(batch.tokens_NT, batch.attend_NT, batch.action_NT, temperature=temperature).logp_NT
    rows = logp_NT.cpu().numpy()
    return [
        t.replace(logp_ref_T=rows[i, : len(t.tokens_T)].copy(), ref_version=version) for i, t in enumerate(trajectories)
    ]


def _sampled_from(reference: Weights, trajectory: Trajectory, temperature: float) -> bool:
    s = trajectory.sampling
    whole = trajectory.version_T is None
    return whole and trajectory.digest == reference.digest and s.full_support and s.temperature == temperature
