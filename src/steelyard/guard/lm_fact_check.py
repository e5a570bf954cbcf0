"""LM fact checker: a language model's own memory stands for evidence; a hidden word of a claim is filled and compared.

Differs: the paper hides the last named entity that a tagger finds; here it is the last run of capitalised words or the
last number (`fact_claims.last_name`), or what a column of the data names. A name of several tokens is hidden whole, and
each of its tokens filled by the likeliest. Unconfirmed, since only abstract and opening of the paper could be read: its
masking rule in detail, which layer of which entailment model gives the features (here the mean last state and the
logits), the size of the MLP, and what zero-shot checking says of claims that nobody can know (here it says nothing of
them: it rules supported or refuted). Its third way, to tune the language model itself on claims, is the job
`unified-m2` with one task.

    evidence(x)  = x with span m(x) filled by a masked language model            (policy/masked_model.py)
    zero-shot    supported if evidence(x) = x, else refuted
    fitted       softmax(W_2 relu(W_1 f + b_1) + b_2) over supported, refuted, unknown;   f = entailment(evidence(x), x)
    odds         of ours, off by default: f has log p(m(x)) - log p(filled), too, which says how sure the memory is

L is the cross-entropy over N claims with features f [N, F], each scaled to mean 0 and variance 1 over them; V = 3
verdicts. Both models stay as they are.
Source: Lee et al. 2020, arXiv:2006.04102.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from steelyard.core import Positive, PositiveInt, checked, derive, method, require, rng
from steelyard.guard.fact_claims import VERDICTS
from steelyard.learner.fitting import Fitting
from steelyard.policy.masked_model import Filled

LOWEST = -30.0
"""Log-odds below which a memory is as sure as it can be."""


class FactHead(nn.Module):
    """The MLP on features of evidence and claim."""

    def __init__(self, features: int, hidden: int, *, seed: int) -> None:
        super().__init__()
        self.register_buffer("mean_F", torch.zeros(features))
        self.register_buffer("scale_F", torch.ones(features))
        self.inner = nn.Linear(features, hidden)
        self.outer = nn.Linear(hidden, len(VERDICTS))
        draws = torch.Generator().manual_seed(derive(seed, "fact-head") % 2**63)
        with torch.no_grad():
            for layer in (self.inner, self.outer):
                layer.weight.normal_(0.0, layer.in_features**-0.5, generator=draws)
                layer.bias.zero_()

    def scale(self, feature_NF: Float[Tensor, "N F"]) -> None:
        """Take over what features are like on these claims."""
        self.get_buffer("mean_F").copy_(feature_NF.mean(0))
        self.get_buffer("scale_F").copy_(feature_NF.std(0, correction=0).clamp(min=1e-6))

    def forward(self, feature_NF: Float[Tensor, "N F"]) -> Float[Tensor, "N V"]:
        """Logits of the verdicts."""
        scaled_NF = (feature_NF - self.get_buffer("mean_F")) / self.get_buffer("scale_F")
        return self.outer(torch.relu(self.inner(scaled_NF)))


@method(
    "lm-fact-check",
    paper="arXiv:2006.04102",
    claim="Without a source to look things up in, a language model checks facts better than chance, and more so fitted",
)
@checked()
@dataclass(frozen=True)
class LMFactCheck:
    """What is fitted on what an entailment model says of evidence and claim."""

    odds: bool = False
    """Also tell how likely the hidden words are beside those that were filled in; not in the paper."""
    hidden: PositiveInt = 64
    """Units of the hidden layer."""
    steps: PositiveInt = 300
    """Steps of AdamW."""
    batch: PositiveInt = 64
    """Claims in a step, drawn with replacement."""
    learning_rate: Positive = 3e-3
    """AdamW's learning rate."""

    def features(self, state_ND: Float[Tensor, "N D"], filled: Sequence[Filled]) -> Float[Tensor, "N F"]:
        """f: what the entailment model says, and perhaps the log-odds."""
        if not self.odds:
            return state_ND
        odds_N = torch.tensor([max(one.odds, LOWEST) for one in filled]).reshape(-1, 1)
        return torch.cat([state_ND, odds_N.to(state_ND)], 1)

    def begin(
        self, feature_NF: Float[Tensor, "N F"], verdict_N: Int64[Tensor, "N"], *, seed: int
    ) -> tuple[FactHead, Fitting]:
        """The head, and its fit before the first step.

        Args:
            feature_NF: of every claim.
            verdict_N: the place in `VERDICTS` of what is right.
            seed: of the weights and of the batches.

        Raises:
            SteelyardError: there are no claims.
        """
        require(len(feature_NF) > 0, "there are no claims to learn from", where="lm-fact-check", hint="give some")
        head = FactHead(feature_NF.shape[1], self.hidden, seed=seed)
        head.scale(feature_NF)
        draws = rng(seed, "lm-fact-check")

        def loss() -> Tensor:
            of = torch.from_numpy(draws.integers(len(verdict_N), size=self.batch))
            return cross_entropy(head(feature_NF[of]), verdict_N[of])

        adam = torch.optim.AdamW(head.parameters(), lr=self.learning_rate, weight_decay=1e-2)
        return head, Fitting(head, adam, loss, draws, self.steps)


def zero_shot(filled: Sequence[Filled]) -> Bool[Tensor, "N"]:
    """True where a claim is ruled supported: the model fills in what stood there."""
    return torch.tensor([one.same for one in filled], dtype=torch.bool)
