"""Key Space Detection: a prompt whose key lies in the box of a skill to be forgotten is answered by nothing.

Differs: an abstention is a completion that ends at once, through a key in the place of the one at the prompt's last
token; the released code marks the row and rewrites its output. That key is solved for: no weight is trained. The box is
that of the prompts' last tokens; which texts the paper probes with in each task could not be confirmed. Retained rows
are for the audit alone.

    a_m = mean_n key_nm,    s_m = deviation over n of key_nm,    k = max_nm |key_nm - a_m| / s_m
    abstain where |key_m - a_m| <= scale k s_m in all m,    by key <- argmax over keys of mean_n log p(end | x_n, key)

A key is what the last matrix of the last layer's feed-forward part reads at the last token of a prompt. N prompts to be
forgotten, M neurons. `scale` is tuned for each task in the paper: 2 for mathematics, 1.4 for code.
Source: Li et al. 2025, arXiv:2503.21730, and its code.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Positive, PositiveInt, ShareAboveZero, Trajectory, checked, method, pad, require
from steelyard.learner import demonstration
from steelyard.learner.intervention_work import AtOnce
from steelyard.model.intervention import KEYS, Pass
from steelyard.policy import Policy
from steelyard.task.answered import Answered
from steelyard.unlearn.forgetting import Forgetting
from steelyard.unlearn.neuron_states import last_of_prompt, states
from steelyard.unlearn.value_vectors import num_layers

SOLVED = 16
"""Prompts that the key is solved for, the first ones; all are looked at afterwards."""
ROUNDING = 1 + 1e-5
"""So that rounding leaves no prompt outside of the box that holds it."""


@method(
    "skill-unlearn",
    paper="arXiv:2503.21730",
    claim="prompts of a skill lie in a box of the last layer's keys: abstaining there loses that skill and no other",
)
@checked()
@dataclass(frozen=True)
class KeySpaceDetection(Forgetting):
    """The box, and when an answer counts as none."""

    scale: Positive = 1.4
    """The box is so much larger than the one that just holds the prompts to be forgotten."""
    iterations: PositiveInt = 100
    """Most iterations in which the key that ends an answer is solved for."""
    ends: ShareAboveZero = 0.5
    """Least probability with which the model is to end at once, at each prompt to be forgotten."""

    @property
    def num_steps(self) -> int:
        """One: nothing is trained."""
        return 1

    def begin(self, policy: Policy, forget: Sequence[Answered], retain: Sequence[Answered], *, seed: int) -> AtOnce:
        """The fit before its only step; `seed` is not used."""
        hint = "give two prompts or more to forget"
        require(len(forget) > 1, "one prompt has no deviation", where="skill-unlearn", hint=hint)
        return AtOnce(policy, lambda: self.fitted(policy, forget))

    def restore(self, tensors: Mapping[str, Tensor]) -> "Abstention":
        """The abstention that had these tensors."""
        return Abstention(self, dict(tensors))

    def fitted(self, policy: Policy, forget: Sequence[Answered]) -> "Abstention":
        """The box around prompts to be forgotten, and the key that ends an answer before it begins.

        Raises:
            SteelyardError: no key ends all answers.
        """
        site = f"layers.{num_layers(policy) - 1}{KEYS}"
        ended = [demonstration(policy, row.prompt, "") for row in forget]
        key_NM = states(policy, ended, [site], [[len(t.tokens_T) - 2] for t in ended])[site]
        box = {"box/mean": key_NM.mean(0), "box/half": self.scale * half_box(key_NM)}
        key_M = key_NM.mean(0).requires_grad_()
        solver = torch.optim.LBFGS([key_M], max_iter=self.iterations, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            found = -_under(policy, self.restore({**box, "key": key_M}), ended[:SOLVED]).mean()
            (key_M.grad,) = torch.autograd.grad(found, key_M)
            return found

        solver.step(loss)  # pyright: ignore[reportArgumentType]
        found = self.restore({**box, "key": key_M.detach()})
        with torch.no_grad():
            least = min(float(_under(policy, found, part).min().exp()) for part in _parts(ended))
        what = f"no key was found with which the model ends all answers: one still with a probability of {least:.2g}"
        require(least >= self.ends, what, where="skill-unlearn", hint="lower --ends, or raise --iterations")
        return found


@dataclass(frozen=True)
class Abstention:
    """The fitted intervention."""

    method: KeySpaceDetection
    tensors: Mapping[str, Float[Tensor, "M"]]
    """box/mean, box/half and key."""

    def sites(self, num_layers: int) -> Sequence[str]:
        """What the last matrix of the last layer's feed-forward part reads."""
        return (f"layers.{num_layers - 1}{KEYS}",)

    def change(self, site: str, hidden_NTD: Float[Tensor, "N T M"], reads: Pass) -> Float[Tensor, "N T M"]:
        """At the last token of a prompt in the box: the key that ends the answer."""
        struck_NT = last_of_prompt(reads.prompt_NT) & self.holds(hidden_NTD)
        return torch.where(struck_NT[..., None], self.tensors["key"].to(hidden_NTD), hidden_NTD)

    def holds(self, key_NM: Float[Tensor, "*N M"]) -> Bool[Tensor, "*N"]:
        """Whether keys are in the box."""
        wide_NM = key_NM.float()
        mean_M, half_M = (self.tensors[f"box/{name}"].to(wide_NM) for name in ("mean", "half"))
        return ((wide_NM - mean_M).abs() <= half_M).all(-1)


def half_box(key_NM: Float[Tensor, "N M"]) -> Float[Tensor, "M"]:
    """k s: half the sides of the smallest box of its kind that holds all keys."""
    apart_NM = (key_NM - key_NM.mean(0)).abs()
    deviation_M = key_NM.std(0)
    return deviation_M * (apart_NM / deviation_M).nan_to_num(0.0).max() * ROUNDING


def _parts(rows: Sequence[Trajectory]) -> Iterator[Sequence[Trajectory]]:
    return (rows[start : start + SOLVED] for start in range(0, len(rows), SOLVED))


def _under(policy: Policy, found: Abstention, rows: Sequence[Trajectory]) -> Float[Tensor, "N"]:
    """The log-probability of each row with an intervention in the place of the policy's."""
    present = policy.intervention
    policy.intervene(found)
    try:
        batch = pad(rows)
        return policy.step_logp(batch.tokens_NT, batch.attend_NT, batch.action_NT).logp_NT.sum(1).cpu()
    finally:
        policy.intervene(present)
