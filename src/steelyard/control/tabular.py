"""Exact answers for systems with few states: values of a policy, and the best ones, by backward induction.

    V_h(s) = max_a sum_s' P(s'|s, a) (r(s, a, s') + V_{h-1}(s')),    V_0 = 0,    h steps are left

S states, A actions, H steps. An episode that has ended stays in a state of its own that pays nothing.
Source: Bellman 1957.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64


@dataclass(frozen=True)
class Law:
    """The law of a system with few states."""

    p_SAS: Float64[np.ndarray, "S A S"]
    """P(s' | s, a)."""
    reward_SAS: Float64[np.ndarray, "S A S"]
    """r(s, a, s')."""
    first_S: Float64[np.ndarray, "S"]
    """P(first state)."""


def best_values(law: Law, horizon: int) -> Float64[np.ndarray, "H S"]:
    """V_h(s) for h = 0 ... horizon - 1 steps left before the last; row h has h + 1 steps left."""
    return np.stack([q_SA.max(1) for q_SA in _backward(law, horizon, None)])


def best_action(law: Law, horizon: int) -> Int64[np.ndarray, "H S"]:
    """The best action with h + 1 steps left; the first of equals."""
    return np.stack([q_SA.argmax(1) for q_SA in _backward(law, horizon, None)])


def value_of(law: Law, horizon: int, policy_SA: Float64[np.ndarray, "S A"] | None = None) -> float:
    """The expected return of a policy that does not look at the time, or of the best one."""
    last_SA = _backward(law, horizon, policy_SA)[-1]
    value_S = last_SA.max(1) if policy_SA is None else (policy_SA * last_SA).sum(1)
    return float(law.first_S @ value_S)


def _backward(law: Law, horizon: int, policy_SA: Float64[np.ndarray, "S A"] | None) -> list[Float64[np.ndarray, "S A"]]:
    """Q of each action, with one step left, two, and so on."""
    value_S = np.zeros(len(law.first_S))
    found = []
    for _ in range(horizon):
        q_SA = (law.p_SAS * (law.reward_SAS + value_S)).sum(2)
        value_S = q_SA.max(1) if policy_SA is None else (policy_SA * q_SA).sum(1)
        found.append(q_SA)
    return found
