"""SafeRoute: a Bayesian network reads the small guard's hidden state and decides whether to call the large guard.

Differs: the paper's settings could not be confirmed. Here the KL is averaged over weights and weighted by `kl_weight`.
The paper augments the rare class t = 1; here both classes have equal weight. States are standardized.

    t(x)     = [small guard wrong on x] [large guard right on x]
    f_w(h)   = W_2 relu(LayerNorm(W_1 h + b_1)) + b_2,    every entry w ~ q = N(mu, sigma^2), prior N(0, 0.1^2)
    L        = E_q mean_x CE(t(x), softmax f_w(h(x))) + kl_weight mean_w KL(q || prior)
    score(x) = mean over K draws of w of softmax(f_w(h(x)))_1;    the large guard is called if score >= threshold

N texts; h is the small guard's last hidden state, of D units, so routing costs almost nothing.
Source: Lee et al. 2025, SafeRoute, arXiv:2502.12464.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from steelyard.core import NonNegative, Positive, PositiveInt, derive, method, require
from steelyard.guard.base import needs_large
from steelyard.guard.bayesian import BayesianLinear
from steelyard.learner.fitting import Fitting


class RouteGate(nn.Module):
    """The fitted router. Its K draws of the weights depend on the seed alone, so calls are independent."""

    mean_D: Float[Tensor, "D"]
    std_D: Float[Tensor, "D"]

    def __init__(self, settings: "SafeRoute", state_ND: Float[Tensor, "N D"], seed: int) -> None:
        super().__init__()
        draws = torch.Generator().manual_seed(derive(seed, "saferoute", "start"))
        width = state_ND.shape[1]
        self._settings = settings
        self._seed = seed
        self.register_buffer("mean_D", state_ND.mean(0))
        self.register_buffer("std_D", state_ND.std(0, correction=0).clamp(min=1e-6))
        self.first = BayesianLinear(width, settings.hidden, settings.prior_sigma, draws)
        self.norm = nn.LayerNorm(settings.hidden)
        self.second = BayesianLinear(settings.hidden, 2, settings.prior_sigma, draws)

    def forward(self, state_ND: Float[Tensor, "N D"], draws: torch.Generator) -> Float[Tensor, "N 2"]:
        """Log-odds under one draw of the weights."""
        h_NE = self.first((state_ND - self.mean_D) / self.std_D, draws)
        return self.second(functional.relu(self.norm(h_NE)), draws)

    def kl(self) -> Float[Tensor, ""]:
        """Mean KL of the weights to their prior (nats)."""
        return torch.cat([self.first.kl().flatten(), self.second.kl().flatten()]).mean()

    @torch.no_grad()
    def score(self, state_ND: Float[Tensor, "N D"]) -> Float[Tensor, "N"]:
        """The probability that a text needs the large guard."""
        total_N = torch.zeros(len(state_ND))
        for k in range(self._settings.draws):
            draws = torch.Generator().manual_seed(derive(self._seed, "saferoute", "draw", k))
            total_N += self(state_ND, draws).softmax(-1)[:, 1]
        return total_N / self._settings.draws

    def routes(self, state_ND: Float[Tensor, "N D"]) -> Bool[Tensor, "N"]:
        """True where the score reaches the threshold."""
        return self.score(state_ND) >= self._settings.threshold


@method(
    "saferoute",
    paper="arXiv:2502.12464",
    claim="The large guard's F1 while most texts are ruled on by the small one; better than routing by entropy.",
)
@dataclass(frozen=True)
class SafeRoute:
    """Settings of the router: a Bayesian network on the small guard's hidden state."""

    hidden: PositiveInt = 512
    """Width of the hidden layer."""
    prior_sigma: Positive = 0.1
    """Standard deviation of every weight's prior."""
    kl_weight: NonNegative = 0.01
    """Weight of the KL to the prior, averaged over weights."""
    draws: PositiveInt = 16
    """Draws of the weights that a score averages."""
    threshold: float = 0.5
    """Lowest score at which the large guard is called."""
    steps: PositiveInt = 400
    """Steps of Adam."""
    batch: PositiveInt = 256
    """Texts in a batch, drawn with replacement."""
    learning_rate: Positive = 3e-3
    """Adam's learning rate."""

    def fit(
        self,
        state_ND: Float[Tensor, "N D"],
        small_right_N: Bool[Tensor, "N"],
        large_right_N: Bool[Tensor, "N"],
        *,
        seed: int,
    ) -> RouteGate:
        """Fit a gate on texts that both guards have rated."""
        fitting = self.begin(state_ND, small_right_N, large_right_N, seed=seed)
        fitting.run()
        return fitting.module.requires_grad_(False)  # pyright: ignore[reportReturnType]

    def begin(
        self,
        state_ND: Float[Tensor, "N D"],
        small_right_N: Bool[Tensor, "N"],
        large_right_N: Bool[Tensor, "N"],
        *,
        seed: int,
    ) -> Fitting:
        """The fit before its first step; its module is the gate.

        Raises:
            SteelyardError: there are no texts.
        """
        require(len(state_ND) > 0, "there are no texts to learn from", where="saferoute", hint="give some")
        state_ND = state_ND.detach().float()
        target_N = needs_large(small_right_N, large_right_N).long()
        # Each class has half of the weight; a single class has all of it.
        weight_2 = len(target_N) / (2 * torch.bincount(target_N, minlength=2).clamp(min=1))
        gate = RouteGate(self, state_ND, seed)
        draws = torch.Generator().manual_seed(derive(seed, "saferoute", "fit"))
        adam = torch.optim.Adam(gate.parameters(), lr=self.learning_rate)

        def loss() -> Tensor:
            of = torch.randint(len(state_ND), (self.batch,), generator=draws)
            misfit_N = functional.cross_entropy(gate(state_ND[of], draws), target_N[of], reduction="none")
            return (misfit_N * weight_2[target_N[of]]).mean() + self.kl_weight * gate.kl()

        return Fitting(gate, adam, loss, draws, self.steps)

    def restored(self, tensors: Mapping[str, Tensor], seed: int) -> RouteGate:
        """The gate that had these tensors, fitted with this seed.

        Raises:
            RuntimeError: they are of another gate.
        """
        gate = RouteGate(self, torch.zeros(1, len(tensors["mean_D"])), seed)
        gate.load_state_dict(dict(tensors))
        return gate.requires_grad_(False)
