"""Log-probabilities under the reference: computed once by the searcher, and again only after the reference moved."""

from collections.abc import Sequence

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
    if all(_sampled_from(reference, t, temperature) for t in trajectories):
        return [t.replace(logp_ref_T=t.logp_behaviour_T, ref_version=reference.version) for t in trajectories]
    with policy.holding(reference.data):
        return _read(policy, reference.version, trajectories, temperature)


@torch.no_grad()
def reference_logp_apart(
    policy: Policy, reference: Weights, groups: Sequence[Group], temperature: float
) -> list[Group]:
    """As `reference_logp`, but what is found for a group does not depend on what else is asked, not by a bit."""
    with policy.holding(reference.data):
        return [_read(policy, reference.version, group, temperature) for group in groups]


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
