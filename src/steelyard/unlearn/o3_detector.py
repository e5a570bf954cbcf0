"""O3's detector: an encoder that learns from the prompts of one request alone, and the gate that is made of it.

    L = CE(masked tokens) + sum_l mean_i H(softmax_j(z_l^i . k_l^j)),    l = 0 ... L (0: the embeddings)

z are states of the encoder that is trained, on prompts with a share of their tokens masked; k those of the encoder as
it was before, on whole prompts, without a gradient. Both are means over a prompt's tokens. i and j count the N prompts
of a batch, H is the entropy (nats), E the encoder's width, V the model's vocabulary. Source: Gao et al. 2024,
arXiv:2407.10223, and its code.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.core import Positive, PositiveInt, ShareInside, checked, derive, require, rng
from steelyard.learner.fitting import Fitting
from steelyard.model.encoder import Encoder, EncoderSizes, mask_tokens
from steelyard.model.ood_gate import OODGate, Sides, layer_means, padded, settle
from steelyard.policy import Policy

HEADS = 4


@checked()
@dataclass(frozen=True)
class Detector:
    """How a request's detector learns."""

    detector_layers: PositiveInt = 3
    """Layers of the encoder."""
    detector_width: PositiveInt = 64
    """Width of its layers, a multiple of 8."""
    detector_steps: PositiveInt = 100
    """Steps of AdamW."""
    detector_rate: Positive = 1e-3
    """Its learning rate."""
    detector_batch: PositiveInt = 32
    """Prompts in a step."""
    detector_masked: ShareInside = 0.15
    """Share of the tokens that are masked."""
    detector_held_out: ShareInside = 0.25
    """Share of a request's prompts that the detector does not learn from: its second normal distribution is theirs."""
    nu: ShareInside = 0.1
    """Largest share of prompts that the one-class machine may leave outside."""
    shrinkage: ShareInside = 0.1
    """Share of each covariance that is replaced by the mean variance."""

    def __post_init__(self) -> None:
        what = f"is {self.detector_width}"
        require(
            self.detector_width % (2 * HEADS) == 0,
            what,
            where="--detector-width",
            hint=f"use a multiple of {2 * HEADS}",
        )

    def sizes(self, vocabulary: int) -> EncoderSizes:
        """Of the encoder: the last token stands for masked ones."""
        return EncoderSizes(
            vocab_size=vocabulary,
            head="masked",
            hidden_size=self.detector_width,
            intermediate_size=2 * self.detector_width,
            num_layers=self.detector_layers,
            num_heads=HEADS,
        )

    def fit(
        self, policy: Policy, prompts: Sequence[Sequence[int]], *, seed: int, threshold: float, sides: Sides
    ) -> OODGate:
        """The gate of a request, from the tokens of its prompts.

        Raises:
            SteelyardError: there are fewer than two prompts.
        """
        require(len(prompts) > 1, f"there are {len(prompts)} prompts", where="o3", hint="give two or more to forget")
        order = rng(seed, "o3-held-out").permutation(len(prompts)).tolist()
        number = min(max(1, round(self.detector_held_out * len(prompts))), len(prompts) - 1)
        held_out, fitted = ([prompts[i] for i in part] for part in (order[:number], order[number:]))
        encoder = self.begun(policy, seed)
        self.training(encoder, fitted, seed).run()
        kinds = {"threshold": threshold, "sides": sides}
        return settle(encoder, fitted, held_out, nu=self.nu, shrinkage=self.shrinkage, **kinds)

    def begun(self, policy: Policy, seed: int) -> Encoder:
        """An encoder over the model's tokens: their embeddings are those of the model, projected at random."""
        table_VD = policy.model.get_input_embeddings().weight.detach().float().cpu()
        with torch.random.fork_rng(devices=[]):
            encoder = Encoder(self.sizes(len(table_VD) + 1), seed=derive(seed, "o3-encoder") % 2**63)
        draws = torch.Generator().manual_seed(derive(seed, "o3-projection") % 2**63)
        projected_VE = table_VD @ torch.randn(table_VD.shape[1], self.detector_width, generator=draws)
        own = encoder.get_parameter("model.embeddings.tok_embeddings.weight")
        with torch.no_grad():
            own[:-1] = projected_VE * (own.std() / projected_VE.std().clamp(min=1e-12))
        return encoder

    def training(self, encoder: Encoder, prompts: Sequence[Sequence[int]], seed: int) -> Fitting:
        """The training before its first step."""
        first = copy.deepcopy(encoder).eval().requires_grad_(False)
        tokens_NT, attend_NT = padded(prompts)
        generator = torch.Generator().manual_seed(derive(seed, "o3-masked") % 2**63)
        mask = encoder.sizes.vocab_size - 1

        def loss() -> Tensor:
            size = min(self.detector_batch, len(prompts))
            of = torch.randperm(len(prompts), generator=generator)[:size]
            whole = tokens_NT[of], attend_NT[of]
            attend = whole[1].long()
            shown_NT, label_NT = mask_tokens(
                whole[0], attend, mask_id=mask, share=self.detector_masked, generator=generator
            )
            masked = encoder.loss(shown_NT, attend, label_NT) if bool((label_NT >= 0).any()) else 0.0
            with torch.no_grad():
                key = layer_means(first, *whole)
            return masked + contrastive_entropy(layer_means(encoder, shown_NT, whole[1]), key)

        adam = torch.optim.AdamW(encoder.parameters(), lr=self.detector_rate, weight_decay=0.0)
        return Fitting(encoder.train(), adam, loss, generator, self.detector_steps)


def contrastive_entropy(
    state: Sequence[Float[Tensor, "N E"]], key: Sequence[Float[Tensor, "N E"]]
) -> Float[Tensor, ""]:
    """The sum over layers of the mean entropy of softmax(z . k) over the prompts of a batch (nats)."""
    total = state[0].new_zeros(())
    for z_NE, k_NE in zip(state, key, strict=True):
        logp_NN = (z_NE @ k_NE.T).log_softmax(1)
        total = total - (logp_NN.exp() * logp_NN).sum(1).mean()
    return total
