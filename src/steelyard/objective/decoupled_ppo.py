"""Decoupled PPO: the ratio that corrects for old data and the ratio that is clipped have a policy each.

Differs: the proximal policy is the run's reference, which --reference-reset K sets to the policy every K steps. In
AReaL it is the policy before the several updates that are made of a batch, in Hilton et al. any recent policy, such as
a moving average of weights. There is no value head: advantages are GRPO's, not normalised again over the batch.

    A_j = (r_j - mean_k r_k) / (std_k r_k + 1e-4)
    w_t = M(pi_prox(y_t) / mu(y_t)),    M(k) = k where k <= C, 0 elsewhere,    no gradient
    J_t = w_t min(rho_t A_j, clip(rho_t, 1 - eps, 1 + eps) A_j),    rho_t = pi(y_t) / pi_prox(y_t)
    L   = - mean of J_t over all actions of the batch,    in gradient

P prompts, G samples per prompt, T steps; mu is the policy that sampled, pi_prox the reference. So the clip bounds how
far the policy goes in K steps, however old the data are. Where pi_prox is mu it is PPO's clip. A batch is learned once
here, so a proximal policy computed anew at each step is the current one (--reference-reset 1): rho is 1, nothing is
clipped, and importance sampling without the weights above C is left. Without --reference-reset the proximal policy is
the model that the run began with. AReaL's approximation, which interpolates log pi_prox between mu and pi by their
versions (arXiv:2512.06547), is not here: an objective does not know the learner's version.
Source: Hilton et al. 2021, arXiv:2110.00641; for language models Fu et al. 2025, arXiv:2505.24298, and its published
code, which has C.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs, PositiveOrInf, method
from steelyard.objective.advantage import EPS, reward_of, standardised
from steelyard.objective.clipping import unclipped
from steelyard.objective.importance import masked, step_ratio
from steelyard.objective.kernels import weighted_likelihood
from steelyard.objective.reduce import steps_of


@method("decoupled-ppo", paper="arXiv:2505.24298")
@dataclass(frozen=True)
class DecoupledPPO:
    """PPO's clip around a recent policy, with importance weights for whoever sampled."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_behaviour_PGT", "logp_ref_PGT"), least_group=2)

    clip: PositiveOrInf = 0.2
    """Half-width of the interval around 1 in which a token's ratio to the proximal policy may still be pushed."""
    ratio_cap: PositiveOrInf = 5.0
    """C: tokens that the proximal policy finds likelier than the policy that sampled by more than this are left out."""

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards, and the log-probabilities of behaviour and reference.

        Metrics, all means over actions: `objective/ratio` rho, `objective/clip_share` the share that is clipped,
        `objective/behaviour_ratio` the ratio of the proximal policy to the one that sampled, and
        `objective/masked_share` the share that is left out for it.
        """
        steps_PGT = steps_of(batch)
        logp_prox_PGT = batch.field("logp_ref_PGT")
        advantage_PG = standardised(reward_of(batch), batch.valid_PG, EPS)
        ratio_PGT = step_ratio(batch, batch.logp_PGT, logp_prox_PGT)
        behaviour_PGT = step_ratio(batch, logp_prox_PGT, batch.field("logp_behaviour_PGT"))
        correction_PGT = masked(behaviour_PGT, 0.0, self.ratio_cap)
        weight_PGT, clipped_PGT = unclipped(advantage_PG[..., None] * correction_PGT, ratio_PGT, self.clip)
        parts = {
            "ratio": ratio_PGT,
            "clip_share": clipped_PGT,
            "behaviour_ratio": behaviour_PGT,
            "masked_share": behaviour_PGT > self.ratio_cap,
        }
        num = float(steps_PGT.sum())
        means = {f"objective/{name}": float(x_PGT[steps_PGT].sum()) / (num or 1.0) for name, x_PGT in parts.items()}
        return weighted_likelihood(batch, weight_PGT, normaliser=num, metrics=means)
