"""Latent attack: the perturbation of a prompt's hidden states that makes a model say what it should not.

    delta <- Proj(AdamW(delta, grad L_attack)),   ||delta_td||_2 <= radius at each token t and site, delta_0 = 0

    targeted      L_attack = toward CE(bad) + away U(good),   U = - mean over tokens of log(1 - pi(token))
    untargeted    L_attack = - CE(good)
    random        delta is drawn on the sphere of that radius: a control

The model is frozen meanwhile. A prompt's completions are read after the same perturbation, and none of their own tokens
is perturbed. P prompts, G completions of each, T tokens, D hidden size.
Source: Sheshadri et al. 2024, arXiv:2407.15549; the untargeted attack: Casper et al. 2024, arXiv:2403.05030.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from steelyard.core import Batch, NonNegative, Positive, PositiveInt, checked, require
from steelyard.model.intervention import EMBEDDINGS, Pass
from steelyard.policy import Policy


@checked("attack")
@dataclass(frozen=True)
class LatentAttack:
    """Where hidden states are attacked, how far, and with which aim."""

    attack: Literal["targeted", "untargeted", "random", "none"] = "targeted"
    """Towards the bad answer; only away from the good one; anywhere; or not at all, which is refusal training."""
    sites: tuple[str, ...] = ()
    """Attacked sites: embeddings, layers.0, layers.1, ...; none named for the embeddings and four layers, spread."""
    radius: Positive = 6.0
    """Longest perturbation of a token at a site, in the units of its hidden states; 6 was for Llama of 7B and 8B."""
    attack_steps: PositiveInt = 16
    """Steps of the attacker on each batch."""
    attack_rate: Positive = 0.05
    """Learning rate of these steps."""
    attack_toward: NonNegative = 1.0
    """Weight of the bad answer's likelihood."""
    attack_away: NonNegative = 1.0
    """Weight of the good answer's unlikelihood."""

    def __post_init__(self) -> None:
        aims = self.attack != "targeted" or self.attack_toward + self.attack_away > 0
        require(aims, "attack_toward and attack_away are both 0", where="attack", hint="give one of them a weight")

    def sites_in(self, policy: Policy) -> Sequence[str]:
        """The sites of this model.

        Raises:
            SteelyardError: it has not all of them.
        """
        layers = policy.model.config.num_hidden_layers
        spread = sorted({layers // 4, layers // 2, 3 * layers // 4, max(layers - 2, 0)})
        sites = self.sites or (EMBEDDINGS, *(f"layers.{i}" for i in spread))
        policy.check_sites(sites)
        return sites


@dataclass(frozen=True)
class Perturbation:
    """What is added to the hidden states of P prompts, each with G rows."""

    delta: Mapping[str, Float[Tensor, "P T D"]]
    """Site -> the perturbation."""
    rows: int
    """G."""

    def sites(self, num_layers: int) -> Sequence[str]:
        """The attacked sites."""
        return tuple(self.delta)

    def change(self, site: str, hidden_NTD: Float[Tensor, "N T D"], reads: Pass) -> Float[Tensor, "N T D"]:
        """The perturbed hidden states; those of completions are left alone."""
        delta_NTD = self.delta[site].repeat_interleave(self.rows, 0)
        fits = delta_NTD.shape == hidden_NTD.shape
        what = f"a perturbation of {tuple(delta_NTD.shape)} is added to hidden states of {tuple(hidden_NTD.shape)}"
        require(fits, what, where="attack", hint="read the batch that it was found for")
        return hidden_NTD + (delta_NTD * reads.prompt_NT[..., None]).to(hidden_NTD.dtype)


@contextmanager
def perturbed(policy: Policy, found: Perturbation | None) -> Iterator[None]:
    """Inside the `with`, the policy reads under a perturbation."""
    require(policy.intervention is None, "the model has an intervention", where="attack", hint="take it out")
    policy.intervene(found)
    try:
        yield
    finally:
        policy.intervene(None)


def read(policy: Policy, batch: Batch) -> Batch:
    """A collated batch with the policy's log-probabilities, which carry a gradient where one is asked for."""
    P, G, T = batch.logp_PGT.shape
    tokens_NT, action_NT = (x.reshape(P * G, T) for x in (batch.field("tokens_PGT"), batch.action_PGT))
    attend_NT = action_NT.flip(-1).cumsum(-1).flip(-1) > 0
    attend_NT[:, 0] = True
    logp_NT = policy.step_logp(tokens_NT, attend_NT, action_NT).logp_NT
    return batch.to(policy.device).replace(logp_PGT=logp_NT.reshape(P, G, T))


def find(
    policy: Policy,
    adversary: LatentAttack,
    batch: Batch,
    attacked_P: Bool[Tensor, "P"],
    loss: Callable[[Batch], Float[Tensor, ""]],
    draws: np.random.Generator,
) -> Perturbation | None:
    """The perturbation that an attacker finds for a collated batch; None where nothing is attacked.

    Args:
        policy: the model, whose parameters get no gradient.
        adversary: how it is attacked.
        batch: the prompts with their completions.
        attacked_P: which prompts; the others are left alone.
        loss: what the attacker lowers, of the batch with log-probabilities.
        draws: of a random perturbation.
    """
    if adversary.attack == "none" or not bool(attacked_P.any()):
        return None
    P, G, T = batch.logp_PGT.shape
    allowed_P11 = attacked_P.to(policy.device)[:, None, None]
    shape = (P, T, policy.hidden_size)
    sites = adversary.sites_in(policy)
    if adversary.attack == "random":
        drawn = {site: torch.from_numpy(draws.standard_normal(shape, np.float32)) for site in sites}
        ways = {
            site: normalize(x, dim=-1).to(policy.device) * adversary.radius * allowed_P11 for site, x in drawn.items()
        }
        return Perturbation(ways, G)
    delta = {site: torch.zeros(shape, device=policy.device, requires_grad=True) for site in sites}
    found = Perturbation(delta, G)
    optimizer = torch.optim.AdamW([*delta.values()], lr=adversary.attack_rate)
    with torch.enable_grad(), perturbed(policy, found):
        for _ in range(adversary.attack_steps):
            grads = torch.autograd.grad(loss(read(policy, batch)), [*delta.values()])
            for x, grad in zip(delta.values(), grads, strict=True):
                x.grad = grad * allowed_P11
            optimizer.step()
            _project(delta.values(), adversary.radius)
    return Perturbation({site: x.detach() for site, x in delta.items()}, G)


@torch.no_grad()
def _project(deltas: Iterable[Tensor], radius: float) -> None:
    """Shorten each token's perturbation to the radius."""
    for x in deltas:
        x.div_((x.norm(dim=-1, keepdim=True) / radius).clamp(min=1.0))
