"""Generation by code of our own, for policies of the Llama and Qwen family.

Prompts are read once for all their samples. A row that ends makes room for the next request, so that no row waits for
the longest (continuous batching). Where long prompts have several samples, these ask the prompt's keys together.

Token t of sample s of a prompt is drawn with the t-th uniform of `stream(seed, "sample", prompt_id, s)`, so a
completion depends on the weights, the prompt and its address, and on neither the batch around it nor the order of
requests (up to the last bits of the logits, which a batch's shape can move).
"""

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from steelyard.core import Request, Sampling, Trajectory, Weights, require
from steelyard.core.trajectory import Finish
from steelyard.policy import Policy
from steelyard.rollout.cache import WIDTH
from steelyard.rollout.network import Network
from steelyard.rollout.prefix_cache import PrefixCache
from steelyard.rollout.prefixes import Prefixes
from steelyard.rollout.requests import check_requests, uniforms_of
from steelyard.rollout.rows import EndedRow, Rows
from steelyard.rollout.sampling import draw
from steelyard.rollout.staged_weights import StagedWeights

SHARE = 8
"""Rows are let in when one in so many is free: each time costs a forward pass over the new prompts."""
SHARED = 24
"""Prompts are kept apart from rows where that saves each row the reading of so many tokens."""


class NativeEngine:
    """An `Engine` over a `Policy` that it owns and that has an `architecture`."""

    def __init__(self, policy: Policy, seed: int, *, max_rows: int = 256, in_flight: bool = False) -> None:
        """Until `load`, the policy's own weights are version 0.

        Args:
            policy: whose weights generate.
            seed: root of all draws.
            max_rows: completions generated together; bounds memory.
            in_flight: newer weights are taken between two steps, in the middle of completions; `version_T` then says
                which version drew each token, and `version` is the oldest of them. Without it one version draws all.

        Raises:
            SteelyardError: the policy is of another family, or there are no rows.
        """
        require(max_rows >= 1, f"max_rows is {max_rows}", where="max_rows", hint="use 1 or more")
        architecture = policy.architecture
        require(
            architecture is not None and architecture.decodes_natively,
            "the model is not of the Llama or Qwen family, or its attention has no decode kernel",
            where="engine",
            hint="use TransformersEngine",
        )
        assert architecture is not None
        self.policy = policy
        self.seed = seed
        self.max_rows = max_rows
        self.in_flight = in_flight
        self._staged = StagedWeights(policy)
        self._network = Network(architecture, policy.device, policy.dtype)
        self._prefix_cache = PrefixCache(self._network)
        self._rows = None
        self._eos = torch.tensor(policy.eos_ids, dtype=torch.long, device=policy.device)
        self._digests: dict[int, str] = {}

    @property
    def version(self) -> int:
        """Of the weights that generate."""
        return self._staged.version

    @property
    def digest(self) -> str:
        """Of the weights that generate."""
        return self._staged.digest

    def load(self, weights: Weights) -> None:
        """Take new weights: for completions that are begun from now on, or with `in_flight` from the next token on.

        Raises:
            SteelyardError: the bytes do not have the digest that names them, or the size of this policy's weights.
        """
        self._staged.offer(weights)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Trajectory]:
        """Yield one trajectory per request as it ends: prompt, then completion with its end-of-sequence token.

        Raises:
            SteelyardError: sampling settings out of range, an empty prompt, or one too long for the model's context.
        """
        check_requests(requests, sampling, self.policy.context_length)
        # Longest first, so that what is let in later finds columns enough before it; samples of a prompt together.
        waiting = deque(sorted(requests, key=lambda request: (-len(request.tokens), request.tokens)))
        rows = self._room(requests, sampling)
        while waiting or rows.running:
            self._prepare(rows, waiting, sampling)
            yield from self._draw(rows, sampling)

    @torch.inference_mode()
    def _prepare(self, rows: Rows, waiting: deque[Request], sampling: Sampling) -> None:
        """Have logits for the next column: of rows that run, and of those that can be let in."""
        if not rows.running or (self.in_flight and self._staged.waiting):
            self._take(fresh=not rows.running)
            rows.on_weight_update()
        if rows.running:
            rows.advance()
        # Without in-flight updates, rows that run keep their weights, and the next ones wait for them to end.
        full = rows.running and (rows.free < max(1, rows.size // SHARE) or self._staged.waiting)
        if not waiting or full:
            return
        rows.make_room(len(waiting[0].tokens), sampling.max_tokens)
        chosen = [waiting.popleft() for _ in range(min(rows.free, len(waiting)))]
        for part, index, read in self._prefix_cache.read(chosen, waiting[0] if waiting else None):
            rows.admit(part, index, read, uniforms_of(self.seed, part, sampling.max_tokens))

    def _take(self, *, fresh: bool) -> None:
        """Take weights that wait; at the first time, the policy's own where there are none."""
        if self._staged.waiting or not self._digests:
            self._staged.take()
            self._network.take(self.policy.plain_weights())
            self._prefix_cache.clear()
        self._digests = ({} if fresh else self._digests) | {self.version: self.digest}

    @torch.inference_mode()
    def _draw(self, rows: Rows, sampling: Sampling) -> list[Trajectory]:
        """Draw a token for each row that runs; those that end by it leave the batch."""
        token_N, logp_N = draw(rows.logits_NV, rows.uniform_N, sampling)
        stopped_N = torch.isin(token_N, self._eos).cpu().numpy()
        ended = np.flatnonzero(rows.write(token_N, logp_N, self.version) | stopped_N)
        if not len(ended):
            return []
        pairs = zip(rows.end(ended), stopped_N[ended], strict=True)
        return [self._trajectory(row, "stop" if stopped else "length", sampling) for row, stopped in pairs]

    def _trajectory(self, row: EndedRow, finish: Finish, sampling: Sampling) -> Trajectory:
        request = row.request
        blank = len(row.request.tokens)
        oldest = int(row.versions[0])
        mixed = {}
        if row.versions[-1] != oldest:
            mixed["version_T"] = np.concatenate([np.full(blank, oldest), row.versions], dtype=np.int32)
        return Trajectory(
            request.prompt_id,
            row.tokens_T,
            np.arange(len(row.tokens_T)) >= blank,
            np.concatenate([np.zeros(blank, np.float32), row.logp]),
            oldest,
            self._digests[oldest],
            sampling,
            finish,
            request.sample,
            **mixed,
        )

    @torch.inference_mode()
    def _room(self, requests: Sequence[Request], sampling: Sampling) -> Rows:
        """Rows for these requests; those of an earlier call, where they are enough and nobody uses them."""
        longest = max((len(request.tokens) for request in requests), default=1)
        steps = sampling.max_tokens
        prompts = len({request.tokens for request in requests})
        # What rows need not read again for each other, against what it costs to ask the prompts apart.
        saves = longest * (len(requests) - prompts) > SHARED * len(requests)
        shares = saves and self._network.shares_prompts
        size = max(1, min(self.max_rows, len(requests)))
        columns = (0 if shares else longest) + 2 * steps + WIDTH
        places = size if self.in_flight else min(size, prompts)
        shape = (size, columns, *((places, longest) if shares else ()))
        self._network.reserve(longest + steps)
        if self._rows is None or self._rows.running or self._shape != shape:
            prefixes = Prefixes(self._network, places, longest) if shares else None
            self._rows = Rows(self._network, size, columns, prefixes)
            self._shape = shape
        return self._rows
