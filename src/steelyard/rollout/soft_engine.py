"""An engine that thinks in soft tokens before it answers (`rollout/soft_tokens.py`), on the model's own forward pass.

Of a trajectory, prompt, thought and cue are no actions; at a soft step stands the likeliest token, for people to read.
`info` holds what was fed there. The noise of a request, like the uniforms of its answer, is drawn at its address: what
is drawn depends on the weights, the prompt and its address alone.
Shapes: U different prompts, N rows, S soft steps, V vocabulary, D hidden size.
"""

from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from steelyard.core import Request, Sampling, Trajectory, Weights, rng
from steelyard.policy import Policy
from steelyard.policy.soft_inputs import check_soft, embeddings, fed, mixture
from steelyard.rollout.endings import By, Endings, finish_of, info_of
from steelyard.rollout.reading import Cached
from steelyard.rollout.requests import check_requests, uniforms_of
from steelyard.rollout.sampling import draw
from steelyard.rollout.soft_tokens import SoftSteps, SoftTokens, with_soft
from steelyard.rollout.staged_weights import StagedWeights


class SoftEngine:
    """An `Engine` over a `Policy` that it owns."""

    def __init__(self, policy: Policy, settings: SoftTokens, sigma: float, seed: int, *, max_rows: int = 256) -> None:
        """Until `load`, the policy's own weights are version 0.

        Args:
            policy: what generates.
            settings: of the thought.
            sigma: spread of the noise.
            seed: root of all draws.
            max_rows: completions generated together; bounds memory.

        Raises:
            SteelyardError: soft tokens cannot be fed to the model.
        """
        check_soft(policy)
        self.policy = policy
        self.settings = settings
        self.sigma = sigma
        self.seed = seed
        self.max_rows = max_rows
        self.cue = tuple(policy.tokenizer.encode(settings.cue, add_special_tokens=False)) if settings.cue else ()
        self._staged = StagedWeights(policy)
        self._endings = cache(lambda stop: Endings(policy, stop))

    @property
    def more(self) -> int:
        """Tokens of context that a thought and its cue take."""
        return self.settings.soft_steps + len(self.cue)

    def load(self, weights: Weights) -> None:
        """Take new weights, from the next batch on.

        Raises:
            SteelyardError: the bytes do not have the digest that names them, or the size of this policy's weights.
        """
        self._staged.offer(weights)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Trajectory]:
        """Yield one trajectory per request: prompt, thought, cue, and an answer of at most `max_tokens`.

        Raises:
            SteelyardError: sampling settings out of range, an empty prompt, or one too long for the model's context.
        """
        check_requests(requests, sampling, self.policy.context_length - self.more)
        by_length = sorted(requests, key=lambda request: len(request.tokens))  # less padding
        for start in range(0, len(by_length), self.max_rows):
            yield from self._batch(by_length[start : start + self.max_rows], sampling)

    def _batch(self, requests: list[Request], sampling: Sampling) -> Iterator[Trajectory]:
        self._staged.take()
        self.policy.model.eval()
        rows = _Thought(self, requests, noisy=sampling.temperature > 0)
        uniform_NS = torch.from_numpy(uniforms_of(self.seed, requests, sampling.max_tokens)).to(self.policy.device)
        for answer in _answers(rows, uniform_NS, sampling, self._endings(sampling.stop)):
            yield self._trajectory(requests[answer.row], rows, answer, sampling)

    def _trajectory(self, request: Request, rows: "_Thought", answer: "_Answer", sampling: Sampling) -> Trajectory:
        row = answer.row
        before = np.concatenate([request.tokens, rows.likeliest_NS[row].cpu().numpy(), self.cue]).astype(np.int32)
        drawn = Trajectory(
            request.prompt_id,
            np.concatenate([before, answer.tokens], dtype=np.int32),
            np.repeat([False, True], [len(before), len(answer.tokens)]),
            np.concatenate([np.zeros(len(before), np.float32), answer.logp]),
            self._staged.version,
            self._staged.digest,
            sampling,
            finish_of(answer.by),
            request.sample,
            info=info_of(answer.by),
        )
        vectors, logps = (x[row].cpu().numpy() for x in (rows.vector_NSD, rows.logp_NS))
        steps = SoftSteps(len(request.tokens), vectors, logps, self.sigma, self.settings.soft_temperature)
        return with_soft(drawn, steps)


class _Answer(NamedTuple):
    """A row that has ended."""

    row: int
    tokens: np.ndarray
    logp: np.ndarray
    by: By


class _Thought:
    """Rows that think before their first token is drawn.

    Args:
        engine: whose settings they have.
        requests: one for each row.
        noisy: whether there is noise.
    """

    def __init__(self, engine: SoftEngine, requests: Sequence[Request], *, noisy: bool) -> None:
        self._engine = engine
        self._requests = requests
        self._spread = engine.sigma if noisy else 0.0
        different = {request.tokens: 0 for request in requests}
        different = {tokens: u for u, tokens in enumerate(different)}
        self._rows = Cached(engine.policy, [*different])
        self._prompt_N = torch.tensor([different[r.tokens] for r in requests], device=engine.policy.device)
        shape = (len(requests), engine.settings.soft_steps)
        device = engine.policy.device
        self.vector_NSD = torch.zeros(*shape, engine.policy.hidden_size, device=device)
        self.likeliest_NS = torch.zeros(shape, dtype=torch.long, device=device)
        self.logp_NS = torch.zeros(shape, device=device)

    def first(self) -> Float[Tensor, "N V"]:
        """Think; logits after the cue."""
        engine = self._engine
        logits_NV = self._rows.first()[self._prompt_N]
        self._rows.keep(self._prompt_N)
        embedding_VD = embeddings(engine.policy)
        noise_NSD = self._noise()
        everywhere_N1 = torch.ones(len(self._requests), 1, dtype=torch.bool, device=logits_NV.device)
        for s in range(engine.settings.soft_steps):
            off_ND = self._spread * noise_NSD[:, s]
            vector_ND = mixture(logits_NV, engine.settings.soft_temperature, embedding_VD) + off_ND
            self.vector_NSD[:, s] = vector_ND
            self.likeliest_NS[:, s] = logits_NV.argmax(-1)
            self.logp_NS[:, s] = -off_ND.square().sum(-1) / (2 * engine.sigma**2) if self._spread else 0.0
            with fed(engine.policy, vector_ND[:, None], everywhere_N1):
                logits_NV = self._rows.advance(self.likeliest_NS[:, s])
        for token in engine.cue:
            logits_NV = self._rows.advance(torch.full_like(self._prompt_N, token))
        return logits_NV

    def advance(self, token_N: Int64[Tensor, "N"]) -> Float[Tensor, "N V"]:
        """Append a token to each row; logits after it."""
        return self._rows.advance(token_N)

    def keep(self, index_N: Int64[Tensor, "N"]) -> None:
        """Go on with these rows, in this order."""
        self._rows.keep(index_N)

    def _noise(self) -> Float[Tensor, "N S D"]:
        """e of each row, drawn at its address."""
        shape = self.vector_NSD.shape[1:]
        drawn = [rng(self._engine.seed, "soft", *r.address).standard_normal(shape, np.float32) for r in self._requests]
        return torch.from_numpy(np.stack(drawn)).to(self.vector_NSD.device)


@torch.inference_mode()
def _answers(rows: _Thought, uniform_NS: Float64[Tensor, "N S"], sampling: Sampling, endings: Endings) -> list[_Answer]:
    """Think, and draw each row's answer; rows that end leave the batch."""
    running_N = torch.arange(len(uniform_NS), device=uniform_NS.device)
    token_NS = torch.zeros(uniform_NS.shape, dtype=torch.long, device=uniform_NS.device)
    logp_NS = torch.zeros(uniform_NS.shape, device=uniform_NS.device)
    logits_NV = rows.first()
    found: list[_Answer] = []
    for s in range(sampling.max_tokens):
        token_N, logp_N = draw(logits_NV, uniform_NS[running_N, s], sampling)
        token_NS[running_N, s] = token_N
        logp_NS[running_N, s] = logp_N
        drawn_NS = token_NS[running_N, : s + 1]
        full_N = np.full(len(drawn_NS), s + 1 == sampling.max_tokens)
        out, how = endings.ended(token_N.cpu().numpy(), full_N, partial(_row, drawn_NS))
        for at, by in zip(out.tolist(), how, strict=True):
            row = int(running_N[at])
            found.append(_Answer(row, drawn_NS[at].cpu().numpy(), logp_NS[row, : s + 1].cpu().numpy(), by))
        left_N = torch.from_numpy(np.delete(np.arange(len(drawn_NS)), out)).to(uniform_NS.device)
        if len(left_N) == 0:
            break
        if len(out):
            rows.keep(left_N)
        running_N = running_N[left_N]
        logits_NV = rows.advance(token_N[left_N])
    return found


def _row(drawn_NS: Int64[Tensor, "N S"], row: int) -> list[int]:
    """What a row has drawn."""
    return drawn_NS[row].tolist()
