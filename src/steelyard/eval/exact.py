"""The exact distance between a policy and the target of trajectory balance, if all completions can be enumerated.

    pi*(y|x)  = pi_ref(y|x) exp(r(y;x) / beta) / Z(x),    Z(x) = sum_y pi_ref(y|x) exp(r(y;x) / beta)
    TV(p, q)  = 1/2 sum_y |p(y) - q(y)|,    KL(p || q) = sum_y p(y) log(p(y) / q(y))

N completions of a prompt; probabilities and log-probabilities are exact sums over all N, in float64. pi and pi_ref are
the policy and the reference at the sampling temperature. KL and log Z in nats.
VarGrad's estimate of log Z(x) is the mean of r / beta - log(pi / pi_ref) over samples of pi. Its exact expectation
is below log Z(x) by exactly KL(pi || pi*), so the gap and this distance are the same number; both are reported.
Source: the target is that of Bartoldson et al. 2025, arXiv:2503.18929.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float64

from steelyard.core import Prompt, Reward, Weights, require
from steelyard.eval.written import written_episode
from steelyard.policy import Policy
from steelyard.searcher.scoring import scores_of

ROWS_AT_ONCE = 4096


@runtime_checkable
class Listable(Protocol):
    """A task whose completions can be enumerated."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The prompts of a split."""
        ...

    def completions(self) -> list[str]:
        """All N possible completions, the same for every prompt."""
        ...

    def rewards(self, prompt: Prompt) -> Float64[np.ndarray, "N"]:
        """The reward of each of `completions()` after `prompt`, in their order."""
        ...


@dataclass(frozen=True)
class Rewarded:
    """A listable task whose completions are worth what another reward says: the target pi* is that reward's."""

    task: Listable
    reward: Reward
    _known: dict[str, Float64[np.ndarray, "N"]] = field(default_factory=dict)

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The task's prompts."""
        return self.task.prompts(split)

    def completions(self) -> list[str]:
        """The task's completions."""
        return self.task.completions()

    def rewards(self, prompt: Prompt) -> Float64[np.ndarray, "N"]:
        """The reward of each completion; nan where it fails."""
        if prompt.id not in self._known:
            episodes = [written_episode(prompt, completion, "stop") for completion in self.completions()]
            values = [score.value for score in scores_of(episodes, self.reward)]
            self._known[prompt.id] = np.array([np.nan if v is None else v for v in values], np.float64)
        return self._known[prompt.id]


def log_z(logp_ref_N: Float64[np.ndarray, "N"], reward_N: Float64[np.ndarray, "N"], beta: float) -> float:
    """log sum_y pi_ref(y) exp(r(y) / beta), in nats."""
    return float(np.logaddexp.reduce(logp_ref_N + reward_N / beta))


def target(
    logp_ref_N: Float64[np.ndarray, "N"], reward_N: Float64[np.ndarray, "N"], beta: float
) -> Float64[np.ndarray, "N"]:
    """log pi*(y), in nats; exp of it sums to 1."""
    return logp_ref_N + reward_N / beta - log_z(logp_ref_N, reward_N, beta)


def total_variation(logp_N: Float64[np.ndarray, "N"], logq_N: Float64[np.ndarray, "N"]) -> float:
    """TV(p, q) from log-probabilities: 0 for equal distributions, 1 for disjoint ones."""
    return float(np.abs(np.exp(logp_N) - np.exp(logq_N)).sum() / 2)


def kl(logp_N: Float64[np.ndarray, "N"], logq_N: Float64[np.ndarray, "N"]) -> float:
    """KL(p || q) from log-probabilities, in nats; q must be above 0 wherever p is."""
    seen_N = np.isfinite(logp_N)
    return float((np.exp(logp_N[seen_N]) * (logp_N[seen_N] - logq_N[seen_N])).sum())


def exact_distance(
    policy: Policy, task: Listable, *, beta: float, reference: Weights, temperature: float = 1.0
) -> dict[str, float]:
    """The distance between the policy's current weights and pi*; each number is a mean over the training prompts.

    `eval/total_variation` is TV(pi, pi*), `eval/kl` KL(pi || pi*) and `eval/kl_reverse` KL(pi* || pi); `eval/log_z` the
    exact log Z, `eval/log_z_error` the absolute error of VarGrad's expected estimate under pi; `eval/reward_exact` the
    mean reward under pi, `eval/reward_target` under pi*.

    Args:
        policy: the policy pi.
        task: enumerates its completions and their rewards.
        beta: temperature of the target, above 0.
        reference: the weights of pi_ref.
        temperature: the sampling temperature of both.

    Raises:
        SteelyardError: beta is not above 0, or the policy can produce other completions.
    """
    require(beta > 0, f"beta is {beta}", where="exact_distance", hint="use a number above 0")
    prompts = task.prompts("train")
    completions = task.completions()
    logp_PN = [list_logp(policy, prompt, completions, temperature) for prompt in prompts]
    with policy.holding(reference.data):
        logp_ref_PN = [list_logp(policy, prompt, completions, temperature) for prompt in prompts]
    reward_PN = [task.rewards(prompt) for prompt in prompts]
    rows = [_distance(*row, beta) for row in zip(logp_PN, logp_ref_PN, reward_PN, strict=True)]
    return {f"eval/{name}": float(np.mean([row[name] for row in rows])) for name in rows[0]}


@torch.no_grad()
def list_logp(
    policy: Policy, prompt: Prompt, completions: Sequence[str], temperature: float
) -> Float64[np.ndarray, "N"]:
    """log pi(y|x) of each of the N completions, which must all have the same length in tokens.

    Raises:
        SteelyardError: lengths differ, or the probabilities do not sum to 1.
    """
    before = policy.encode(prompt.text)
    after = [policy.encode(completion) for completion in completions]
    require(
        len({len(y) for y in after}) == 1,
        "completions differ in length",
        where="exact_distance",
        hint="list completions of one length in tokens",
    )
    tokens_NT = torch.tensor([before + y for y in after])
    attend_NT = torch.ones_like(tokens_NT, dtype=torch.bool)
    action_NT = attend_NT.clone()
    action_NT[:, : len(before)] = False
    parts = zip(*(rows.split(ROWS_AT_ONCE) for rows in (tokens_NT, attend_NT, action_NT)), strict=True)
    steps = [policy.step_logp(*part, temperature=temperature).logp_NT for part in parts]
    logp_N = torch.cat(steps).double().sum(1).cpu().numpy()
    total = float(np.exp(logp_N).sum())
    require(
        abs(total - 1) < 1e-3,
        f"the listed completions hold {total:.4f} of the policy's probability",
        where="exact_distance",
        hint="use a model whose vocabulary spells these completions and no others",
    )
    return logp_N - np.log(total)


def _distance(
    logp_N: Float64[np.ndarray, "N"],
    logp_ref_N: Float64[np.ndarray, "N"],
    reward_N: Float64[np.ndarray, "N"],
    beta: float,
) -> dict[str, float]:
    pi_N = np.exp(logp_N)
    star_N = target(logp_ref_N, reward_N, beta)
    log_z_ = log_z(logp_ref_N, reward_N, beta)
    estimate = float((pi_N * (reward_N / beta - (logp_N - logp_ref_N))).sum())
    return {
        "total_variation": total_variation(logp_N, star_N),
        "kl": kl(logp_N, star_N),
        "kl_reverse": kl(star_N, logp_N),
        "log_z": log_z_,
        "log_z_error": abs(estimate - log_z_),
        "reward_exact": float(pi_N @ reward_N),
        "reward_target": float(np.exp(star_N) @ reward_N),
    }
