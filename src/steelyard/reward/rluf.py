"""RLUF: a model of binary user feedback, P(love), fitted on what was logged, is one of several rewards.

Differs: any objective takes the sum of rewards (`reward.weighted`), where the paper's optimiser is a multi-objective
one. Unconfirmed: the calibration, here Platt's on held-out rows; how many negatives are kept, and the weights, which
are settings; that P enters the sum, and not its log-odds; which optimiser it was.

    z(x, y)    = w . h(x, y)                                     h the state at the text's last token
    L          = mean -(u log sigma(z) + (1 - u) log(1 - sigma(z)))    u = 1 where (x, y) was loved
    P(love)    = sigma(a (z + log k) + c)
    R(x, y)    = sum_i w_i r_i(x, y) + w_l P(love | x, y)        r_i: helpfulness, safety, ...

Feedback is sparse, so of the rows that were not loved a share k is learned from: `negatives` for each that was. That
multiplies the odds by 1 / k, which log k takes back; a and c are fitted to all of the held-out rows for calibration
(`reward.probability`). N rows. A weight w_l that is too large is paid for in the other rewards: users love what is of
no help, such as warm farewells, and the policy finds it.
Source: Han et al. 2025, arXiv:2505.14946.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from steelyard.core import NonNegative, Positive, PositiveInt, checked, method, rng
from steelyard.reward.probability import Calibration, fit_calibration


@method(
    "rluf",
    paper="arXiv:2505.14946",
    claim="A model of love reactions as one of several rewards raises love by 28 %; at a high weight it is hacked.",
)
@checked()
@dataclass(frozen=True)
class RLUF:
    """How P(love) is fitted."""

    negatives: NonNegative = 0.0
    """Rows without love that are learned from for each row with it, at most; 0 learns from all."""
    steps: PositiveInt = 500
    """Steps of AdamW."""
    batch: PositiveInt = 32
    """Rows in a step, drawn with replacement."""
    learning_rate: Positive = 1e-5
    """AdamW's learning rate."""

    def kept_share(self, loved_N: Bool[np.ndarray, "N"]) -> float:
        """k: the share of the rows without love that is learned from."""
        loved = int(loved_N.sum())
        return min(1.0, self.negatives * loved / (len(loved_N) - loved)) if self.negatives else 1.0

    def kept(self, loved_N: Bool[np.ndarray, "N"], seed: int) -> tuple[list[int], float]:
        """The places of the rows that are learned from, and k as it came out: at least one negative is kept."""
        negative_M = np.flatnonzero(~loved_N)
        number = max(1, round(self.kept_share(loved_N) * len(negative_M)))
        some_M = rng(seed, "rluf", "negatives").permutation(negative_M)[:number]
        return sorted([*np.flatnonzero(loved_N).tolist(), *some_M.tolist()]), number / len(negative_M)

    def turn(self, places: Sequence[int], draws: np.random.Generator) -> list[int]:
        """The places of the rows of a step."""
        return [places[i] for i in draws.integers(len(places), size=self.batch).tolist()]

    def loss(self, z_N: Float[Tensor, "N"], loved_N: Bool[Tensor, "N"]) -> Float[Tensor, ""]:
        """The loss of a batch (nats)."""
        return binary_cross_entropy_with_logits(z_N, loved_N.to(z_N))

    def calibration(self, z_N: Float[np.ndarray, "N"], loved_N: Bool[np.ndarray, "N"], kept: float) -> Calibration:
        """What makes P(love) of z, by held-out rows; `kept` is k."""
        shift = float(np.log(kept))
        found = fit_calibration(z_N + shift, loved_N)
        return Calibration(found.slope, found.offset + found.slope * shift)
