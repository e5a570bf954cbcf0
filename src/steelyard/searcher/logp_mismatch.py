"""LogpMismatch: the engine and the learner must say the same of the same tokens.

    gap(a) = | log pi_learner(a) - log pi_engine(a) |    for each sampled token a, at the temperature it was sampled at

A few trajectories of a batch are scored again by the learner's code, under the weights as they were published. The
engine's own word is not asked: an engine that scales its logits otherwise, or that never took the weights it was given,
is found out. Greedy and truncated sampling (top-p, top-k) have another distribution than the policy, so nothing is
compared there; nor is a trajectory that several versions sampled.
"""

import heapq
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from steelyard.core import FaultError, Trajectory, Weights, derive, pad, pad_stack
from steelyard.policy import Policy

PROBED = 4
"""Trajectories of a batch that are compared."""
WHERE = "engine and learner disagree"
HINT = "look at the temperature, at weights or adapters that do not reach the engine, and at the dtype"


@dataclass(frozen=True)
class LogpMismatch:
    """How far engine and learner were apart."""

    mean: float
    """Mean gap (nats per token)."""
    max: float
    """Largest gap (nats)."""
    tokens: int
    """Sampled tokens that were compared."""


def probe(
    policy: Policy, held: Weights, trajectories: Sequence[Trajectory], bound: float, newer: Collection[str] = ()
) -> LogpMismatch | None:
    """Compare some of the trajectories; None where their sampling has not full support, or `held` drew none wholly.

    Args:
        policy: scores them; its own weights are the same afterwards.
        held: the weights that were given to the engine.
        trajectories: of one batch, fresh from the engine.
        bound: largest mean gap that is let pass (nats per token).
        newer: digests of weights that the engine was given since, in the middle of the batch.

    Raises:
        FaultError: the mean gap is beyond the bound, or the engine names other weights than it was given.
    """
    if not trajectories[0].sampling.full_support:
        return None
    _check_stamps(held, trajectories, newer)
    whole = [t for t in trajectories if t.version_T is None and t.digest == held.digest]
    if not whole:
        return None
    mismatch = compare(policy, held, choose(whole))
    if not mismatch.mean <= bound:  # NaN is beyond every bound
        what = (
            f"mean {mismatch.mean:.3g}, max {mismatch.max:.3g} nats over {mismatch.tokens} tokens of version "
            f"{held.version}; the bound on the mean is {bound:g}"
        )
        raise FaultError(what, where=WHERE, hint=f"{HINT}; or raise --max-logp-mismatch")
    return mismatch


def choose(trajectories: Sequence[Trajectory]) -> list[Trajectory]:
    """Some of the trajectories, by a hash of what names them: neither their order nor their contents decide."""
    return heapq.nsmallest(PROBED, trajectories, key=lambda t: derive(t.version, "parity", t.prompt_id, t.sample))


def _check_stamps(held: Weights, trajectories: Sequence[Trajectory], newer: Collection[str]) -> None:
    for t in trajectories:
        if t.digest != held.digest and t.digest not in newer:
            what = f"the engine samples version {t.version} ({t.digest}), not version {held.version} ({held.digest})"
            raise FaultError(what, where=WHERE, hint=HINT)


@torch.no_grad()
def compare(policy: Policy, held: Weights, trajectories: Sequence[Trajectory]) -> LogpMismatch:
    """The gaps over all sampled tokens of trajectories that share one sampling temperature."""
    batch = pad(trajectories)
    temperature = trajectories[0].sampling.temperature
    with policy.holding(held.data):
        found = policy.step_logp(batch.tokens_NT, batch.attend_NT, batch.action_NT, temperature=temperature)
    behaviour_NT = pad_stack([t.logp_behaviour_T for t in trajectories], batch.tokens_NT.shape[1], np.float32)
    gap_NT = np.abs(found.logp_NT.cpu().numpy() - behaviour_NT)
    gap_A = gap_NT[batch.action_NT.cpu().numpy()]
    return LogpMismatch(float(gap_A.mean()), float(gap_A.max()), len(gap_A))
