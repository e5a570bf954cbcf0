"""A learner of soft tokens: soft steps are actions whose log-probabilities are those of their vectors.

    log pi(x_t | x_<t) = - ||x_t - p_{t-1} E||^2 / (2 sigma^2)

See `rollout/soft_tokens.py`. Shapes: P prompts, G samples per prompt, T steps, D hidden size.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Batch, Group, Loss, needs_of, require
from steelyard.learner.collate import collate
from steelyard.learner.learner import Learner
from steelyard.objective import Objective
from steelyard.policy.soft_inputs import soft_step_logp
from steelyard.rollout.soft_tokens import SoftSteps, soft_of


class SoftLearner(Learner):
    """A `Learner` whose trajectories have soft steps. Its objective reads log-probabilities and rewards."""

    def _backward(self, objective: Objective, groups: Sequence[Group]) -> Loss:
        """Add the gradient of weight * value of one micro-batch."""
        loss = objective(self.soft_batch(groups, objective))
        if loss.weight > 0:
            (loss.value * loss.weight).backward()
            self.masters.gather()
        return Loss(loss.value.detach(), loss.weight, loss.metrics, loss.stats)

    def soft_batch(self, groups: Sequence[Group], objective: Objective) -> Batch:
        """The batch with log-probabilities of tokens and of soft steps; both are its actions.

        Raises:
            SteelyardError: a trajectory has no soft steps, or they were drawn in other ways.
        """
        batch = collate(groups, needs_of(objective).collated)
        P, G, T = batch.logp_PGT.shape
        steps = {(p, g): soft_of(t) for p, group in enumerate(groups) for g, t in enumerate(group)}
        sigma, temperature = _one_way([*steps.values()])
        vector_PGTD, soft_PGT = _placed(steps, (P, G, T))
        action_PGT = batch.action_PGT | soft_PGT
        flat = [x.reshape(P * G, T) for x in (batch.field("tokens_PGT"), batch.action_PGT, soft_PGT, action_PGT)]
        tokens_NT, action_NT, soft_NT, both_NT = flat
        attend_NT = both_NT.flip(-1).cumsum(-1).flip(-1) > 0
        attend_NT[:, 0] = True
        logp_NT = soft_step_logp(
            self.policy,
            tokens_NT,
            attend_NT,
            action_NT,
            vector_PGTD.reshape(P * G, T, -1),
            soft_NT,
            soft_temperature=temperature,
            sigma=sigma,
            temperature=self.temperature,
        )
        known = batch.replace(action_PGT=action_PGT).to(self.policy.device)
        return known.replace(logp_PGT=logp_NT.reshape(P, G, T))


def _one_way(steps: Sequence[SoftSteps]) -> tuple[float, float]:
    """sigma and tau, which all have."""
    ways = {(one.sigma, one.temperature) for one in steps}
    require(len(ways) == 1, f"soft steps were drawn in {len(ways)} ways", where="soft", hint="learn from one engine's")
    return ways.pop()


def _placed(
    steps: dict[tuple[int, int], SoftSteps], shape: tuple[int, int, int]
) -> tuple[Float[Tensor, "P G T D"], Bool[Tensor, "P G T"]]:
    """The vectors where they were fed, and where that was."""
    D = next(iter(steps.values())).vector_SD.shape[1]
    vector_PGTD = torch.zeros(*shape, D)
    soft_PGT = torch.zeros(shape, dtype=torch.bool)
    for (p, g), one in steps.items():
        end = one.first + len(one.vector_SD)
        vector_PGTD[p, g, one.first : end] = torch.from_numpy(one.vector_SD.copy())
        soft_PGT[p, g, one.first : end] = True
    return vector_PGTD, soft_PGT
