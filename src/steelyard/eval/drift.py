"""How far a policy has drifted from its reference, estimated from samples of both.

    KL(pi || pi_ref)  ~  mean over samples y of pi of      log pi(y|x) - log pi_ref(y|x)
    KL(pi_ref || pi)  ~  mean over samples y of pi_ref of  log pi_ref(y|x) - log pi(y|x)
    perplexity        =  exp(- sum log pi_ref(y_t) / number of tokens),  over samples y of pi

In nats per completion: sums over a completion's tokens, including its end. Both policies have the same temperature.
These are estimates, so they may fall slightly below 0. Published code of this task evaluates log pi_ref - log pi on
samples of pi and calls it KL(pi_ref || pi), which it does not estimate. Here each KL is estimated on samples of the
policy under its expectation.
"""

from collections.abc import Sequence

import numpy as np

from steelyard.core import Trajectory, Weights
from steelyard.policy import Policy
from steelyard.policy.reference import reference_logp


def drift(
    policy: Policy,
    samples: Sequence[Trajectory],
    reference_samples: Sequence[Trajectory],
    *,
    weights: Weights,
    reference: Weights,
    temperature: float,
) -> dict[str, float]:
    """`eval/kl_to_reference`, `eval/kl_from_reference` (nats) and `eval/perplexity_reference`.

    Args:
        policy: evaluates both sets of weights; its own weights are restored afterwards.
        samples: samples of `weights` at `temperature`.
        reference_samples: samples of `reference` at the same temperature.
        weights: the weights of pi.
        reference: the weights of pi_ref.
        temperature: the sampling temperature of both.
    """
    own, own_under_ref = (_under(policy, w, samples, temperature) for w in (weights, reference))
    ref_under_own, ref = (_under(policy, w, reference_samples, temperature) for w in (weights, reference))
    tokens = sum(int(t.action_T.sum()) for t in samples)
    return {
        "eval/kl_to_reference": float((own - own_under_ref).mean()),
        "eval/kl_from_reference": float((ref - ref_under_own).mean()),
        "eval/perplexity_reference": float(np.exp(-own_under_ref.sum() / max(tokens, 1))),
    }


def _under(policy: Policy, weights: Weights, samples: Sequence[Trajectory], temperature: float) -> np.ndarray:
    """The log-probability of each completion under some weights."""
    rows = reference_logp(policy, weights, samples, temperature)
    return np.array([0.0 if t.logp_ref_T is None else t.logp_ref_T.sum(dtype=np.float64) for t in rows])
