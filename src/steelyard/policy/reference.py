"""Log-probabilities under the reference: computed once by the searcher, and again only after the reference moved."""

from collections.abc import Sequence

import torch

from steelyard.core import Trajectory, Weights, pad
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
    batch = pad(trajectories)
    with policy.holding(reference.data):
        logp_NT = policy.step_logp(batch.tokens_NT, batch.attend_NT, batch.action_NT, temperature=temperature).logp_NT
    rows = logp_NT.cpu().numpy()
    return [
        t.replace(logp_ref_T=rows[i, : len(t.tokens_T)].copy(), ref_version=reference.version)
        for i, t in enumerate(trajectories)
    ]


def _sampled_from(reference: Weights, trajectory: Trajectory, temperature: float) -> bool:
    s = trajectory.sampling
    whole = trajectory.version_T is None
    return whole and trajectory.digest == reference.digest and s.full_support and s.temperature == temperature
