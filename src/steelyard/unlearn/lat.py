"""Targeted latent adversarial training: learn to refuse while an adversary steers hidden states towards the bad answer.

Differs: one update of the model for each attack, which is the default of the authors' code, where their experiments
make four; terms are means over a prompt's tokens and then over prompts, where theirs is one mean over all tokens;
benign data are learned (SFT), where they may be compared with the model before instead (KL). The variants by DPO and by
RMU are not built.

    L = (1/N) sum_x [ toward CE(good | x + delta) + away U(bad | x + delta) ] + (1/N) sum_benign retain CE(answer)
    CE = - mean_t log pi(y_t),   U = - mean_t [log pi(y_t) >= floor] log(1 - pi(y_t))

delta is found anew for each batch by `latent_attack.py`; benign prompts are not attacked. The weights are divided by
their sum. N prompts, benign ones among them; P prompts, G completions of each: a good one with reward above 0 and a bad
one without; T tokens. With the attack `none` this is refusal training, with `untargeted` what was proposed before.
Source: Sheshadri et al. 2024, arXiv:2407.15549, and its code.
"""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from jaxtyping import Bool, Float
from msgspec import Meta
from torch import Tensor

from steelyard.core import Batch, Loss, Needs, NonNegative, method, require
from steelyard.objective.reduce import mean_steps, num_prompts, prompt_mean
from steelyard.unlearn.latent_attack import LatentAttack
from steelyard.unlearn.parts import RetainWeight

LEAST = 1e-6
"""Shift of log pi, so that the unlikelihood of a certain token is finite (nats)."""


@method(
    "lat",
    paper="arXiv:2407.15549",
    claim="Targeted latent attacks in training beat R2D2 on jailbreaks at orders of magnitude less compute",
)
@dataclass(frozen=True)
class LAT:
    """Weights of the defence, and the attack that it is trained against."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG",), labels=("retain",))

    toward: NonNegative = 1.0
    """Weight of the good answer's likelihood."""
    away: NonNegative = 1.0
    """Weight of the bad answer's unlikelihood."""
    retain: RetainWeight = 1.0
    """Weight of benign answers; 0 learns from prompts with a bad answer alone."""
    floor: Annotated[float, Meta(lt=0)] = -5.0
    """Tokens of a bad answer that are less likely than this (nats) are left alone."""
    adversary: LatentAttack = field(default_factory=LatentAttack)
    """What it is trained against."""

    def __post_init__(self) -> None:
        learns = self.toward + self.away > 0
        require(learns, "toward and away are both 0", where="lat", hint="give one of them a weight")

    def __call__(self, batch: Batch) -> Loss:
        """The loss; needs rewards and the label `retain`, and reports its terms."""
        good_PG, bad_PG = sides(batch)
        kept_PG = batch.valid_PG & batch.label("retain")[:, None] & (self.retain > 0)
        weight = num_prompts(good_PG | bad_PG | kept_PG)
        scale = (self.toward + self.away + self.retain) * max(weight, 1.0)
        pulls = {"toward": (self.toward, good_PG), "away": (self.away, bad_PG), "retain": (self.retain, kept_PG)}
        terms = {name: w * self._term(name, batch, mask_PG).sum() / scale for name, (w, mask_PG) in pulls.items()}
        told = {f"objective/{name}": float(term.detach()) for name, term in terms.items()}
        return Loss(terms["toward"] + terms["away"] + terms["retain"], weight, told)

    def harm(self, batch: Batch) -> Float[Tensor, ""]:
        """What the adversary lowers."""
        good_PG, bad_PG = sides(batch)
        if self.adversary.attack == "untargeted":
            return -self._term("toward", batch, good_PG).sum()
        bad_P1, good_P1 = self._term("toward", batch, bad_PG), self._term("away", batch, good_PG)
        return (self.adversary.attack_toward * bad_P1 + self.adversary.attack_away * good_P1).sum()

    def _term(self, name: str, batch: Batch, mask_PG: Bool[Tensor, "P G"]) -> Float[Tensor, "P 1"]:
        """CE of each prompt's completions in the mask, or their U."""
        loss_PGT = self.unlikelihood(batch.logp_PGT) if name == "away" else -batch.logp_PGT
        return prompt_mean(mean_steps(loss_PGT, batch), mask_PG)

    def unlikelihood(self, logp: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """- log(1 - pi) of each token that is likely enough to matter."""
        matters = logp >= self.floor
        return (-torch.log(-torch.expm1(logp.where(matters, self.floor) - LEAST))).where(matters, 0.0)


def sides(batch: Batch) -> tuple[Bool[Tensor, "P G"], Bool[Tensor, "P G"]]:
    """The good and the bad completions of prompts that are not benign."""
    harmful_PG = batch.valid_PG & ~batch.label("retain")[:, None]
    good_PG = batch.field("reward_PG") > 0
    return harmful_PG & good_PG, harmful_PG & ~good_PG
