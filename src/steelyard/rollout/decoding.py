"""Decodes one batch of rows on the model's own forward pass, one token per step.

Equal prompts are read once, and what was kept of them is copied. A row that ends leaves the batch, so the longest rows
finish in a small one.
Shapes: U different prompts, N rows still running, S steps at most, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from steelyard.core import Sampling
from steelyard.policy import Policy
from steelyard.rollout.endings import By, Endings
from steelyard.rollout.reading import Cached, Reading, Whole
from steelyard.rollout.sampling import draw


@dataclass(frozen=True)
class Ended:
    """Rows that have just ended: their index in the batch, tokens, log-probabilities, and how they did."""

    rows: np.ndarray
    tokens: np.ndarray
    logp: np.ndarray
    by: Sequence[By]


class Decoding:
    """The state of a batch: `step` draws a token for every row that still runs and returns the rows that ended."""

    @torch.inference_mode()
    def __init__(
        self,
        policy: Policy,
        prompts: Sequence[tuple[int, ...]],
        uniform_NS: Float64[np.ndarray, "N S"],
        sampling: Sampling,
        endings: Endings,
        reading: type[Cached] | type[Whole] = Cached,
    ) -> None:
        """Read the prompts. `uniform_NS` are the uniforms in [0, 1) that draw the tokens."""
        self._sampling = sampling
        self._steps = 0
        self._uniform_NS = torch.from_numpy(uniform_NS).to(policy.device)
        self._endings = endings
        different = {prompt: u for u, prompt in enumerate(dict.fromkeys(prompts))}
        row_N = torch.tensor([different[prompt] for prompt in prompts], device=policy.device)
        self._rows: Reading = reading(policy, [*different])
        self._logits_NV = self._rows.first()
        self._running_N = torch.arange(len(prompts), device=policy.device)
        self._token_NS = torch.zeros(self._uniform_NS.shape, dtype=torch.long, device=policy.device)
        self._logp_NS = torch.zeros(self._uniform_NS.shape, device=policy.device)
        self._keep(row_N)

    @property
    def running(self) -> bool:
        """Whether any row still runs."""
        return len(self._running_N) > 0

    @torch.inference_mode()
    def step(self) -> Ended:
        """Draw one token for each running row; rows that reach an end leave the batch."""
        t = self._steps
        rows = self._running_N
        if t > 0:
            self._logits_NV = self._rows.advance(self._last_N)
        token_N, logp_N = draw(self._logits_NV, self._uniform_NS[rows, t], self._sampling)
        self._token_NS[rows, t] = token_N
        self._logp_NS[rows, t] = logp_N
        self._last_N = token_N
        self._steps = t + 1
        full_N = np.full(len(rows), self._steps == self._sampling.max_tokens)
        out, by = self._endings.ended(token_N.cpu().numpy(), full_N, self._drawn)
        kept = torch.from_numpy(np.delete(np.arange(len(rows)), out)).to(rows.device)
        done = rows[torch.from_numpy(out).to(rows.device)]
        parts = (done, self._token_NS[done, : t + 1], self._logp_NS[done, : t + 1])
        of, tokens, logp = (x.cpu().numpy() for x in parts)
        ended = Ended(of, tokens, logp, by)
        if len(out):
            self._running_N = rows[kept]
            self._last_N = token_N[kept]
            self._keep(kept)
        return ended

    def _drawn(self, row: int) -> list[int]:
        """The tokens that one of the running rows has drawn."""
        return self._token_NS[self._running_N[row], : self._steps].tolist()

    def _keep(self, index_N: Int64[Tensor, "N"]) -> None:
        self._rows.keep(index_N)
        self._logits_NV = self._logits_NV[index_N]
