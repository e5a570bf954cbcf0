"""DUMP: draw domains by how much their samples still teach, with an exploration bonus for rarely seen domains.

Differs: a domain's prompts come in seeded permutations, not with replacement. The standard deviation is the
population's. A group counts once, when it is sampled, however often replay draws it. The first weights are uniform,
which the paper does not confirm. UCBoost as the index is ours: n_d + 1 and N + 1 take the place of pulls and time.

    L(d)   = mean of |A_j| over the last `window` samples of domain d,    A_j = (r_j - mean_k r_k) / std_k r_k
    UCB(d) = L(d) + sqrt(2 ln(N + 1) / (n_d + 1))
    P(d)   = softmax(UCB(d) / tau)

n_d samples of domain d were observed so far, N in all. Each place of a batch draws its domain from P.
P prompts, G samples per prompt: A_j runs over a prompt's own G samples.
Source: Wang et al. 2025, arXiv:2504.09710, and the authors' code.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from jaxtyping import Float64

from steelyard.core import PositiveInt, PositiveOrInf, Prompt, Trajectory, method, require
from steelyard.curriculum.arms import Arms
from steelyard.curriculum.bandit import HINT, read_state
from steelyard.curriculum.ucb1 import UCB1
from steelyard.curriculum.ucboost import UCBoost


@method(
    "dump",
    paper="arXiv:2504.09710",
    claim="faster convergence and a higher final reward than a uniform mixture of 12 difficulties",
)
@dataclass(frozen=True)
class Dump:
    """Settings of DUMP: domains drawn by how much their samples still teach."""

    tau: PositiveOrInf = 0.1
    """Temperature of the softmax over domains; inf draws all alike."""
    window: PositiveInt = 300
    """Samples of a domain that its mean advantage runs over."""
    index: UCB1 | UCBoost = field(default_factory=UCB1)
    """The bonus for domains that were seen little: the paper's, or UCBoost's. Its discount has no effect here."""

    def open(self, prompts: Sequence[Prompt], seed: int) -> "DumpDraws":
        """The live curriculum, over the domains of these prompts."""
        return DumpDraws(self, prompts, seed)


class _State(msgspec.Struct, forbid_unknown_fields=True):
    position: int
    walked: list[int]
    seen: list[int]
    recent: list[list[float]]


class DumpDraws:
    """The live curriculum: the recent advantages of each domain, and the number of prompts drawn."""

    def __init__(self, settings: Dump, prompts: Sequence[Prompt], seed: int) -> None:
        self._settings = settings
        self._seed = seed
        self._arms = Arms(prompts, seed)
        self._position = 0
        self._seen_D = np.zeros(len(self._arms), np.int64)
        self._recent = [deque[float](maxlen=settings.window) for _ in range(len(self._arms))]

    def weights(self) -> Float64[np.ndarray, "D"]:
        """P(d), in the order of the domains' numbers."""
        learning_D = np.array([np.mean(recent) if recent else 0.0 for recent in self._recent])
        bound_D = self._settings.index.index(learning_D, self._seen_D + 1.0, float(self._seen_D.sum() + 1))
        weight_D = np.exp((bound_D - bound_D.max()) / self._settings.tau)
        return weight_D / weight_D.sum()

    def draw(self, num_prompts: int) -> list[int]:
        """Indices of the next prompts."""
        weight_D = self.weights()
        places = range(self._position, self._position + num_prompts)
        self._position += num_prompts
        return self._arms.draw(weight_D, places, self._seed, "dump")

    def observe(self, trajectories: Sequence[Trajectory]) -> None:
        """Record the advantage of every sample with a reward."""
        for arm, advantage_G in self._arms.groups(trajectories):
            self._seen_D[arm] += len(advantage_G)
            self._recent[arm].extend(advantage_G.tolist())

    def state(self) -> Mapping[str, object]:
        """The recent advantages of each domain, and the counters."""
        recent = [list(r) for r in self._recent]
        seen = self._seen_D.tolist()
        return {"position": self._position, "walked": self._arms.state(), "seen": seen, "recent": recent}

    def restore(self, state: Mapping[str, object]) -> None:
        """Continue from a `state`.

        Raises:
            SteelyardError: it is not a state of this curriculum.
        """
        kept = read_state(state, _State)
        self._arms.restore(kept.walked)
        right = len(kept.seen) == len(kept.recent) == len(self._arms)
        require(right, "its lists differ in length", where="curriculum state", hint=HINT)
        self._position = kept.position
        self._seen_D = np.array(kept.seen, np.int64)
        self._recent = [deque(recent, maxlen=self._settings.window) for recent in kept.recent]
