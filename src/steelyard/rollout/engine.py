"""Generation on the model's own forward pass: for any policy and any attention.

Keys and values are cached, unless the model has recurrent layers: then rows are read whole for every token.

Token t of sample s of a prompt is drawn with the t-th uniform of `stream(seed, "sample", prompt_id, s)`, so a
completion depends on the weights, the prompt and its address, and on neither the batch around it nor the order of
requests (up to the last bits of the logits, which a batch's shape can move).
"""

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from steelyard.core import Request, Sampling, Trajectory, Weights, require
from steelyard.policy import Policy
from steelyard.rollout.decoding import Decoding, Ended
from steelyard.rollout.endings import Endings, finish_of, info_of
from steelyard.rollout.reading import reading_for
from steelyard.rollout.requests import check_requests, uniforms_of
from steelyard.rollout.staged_weights import StagedWeights


class TransformersEngine:
    """An `Engine` over a `Policy` that it owns: nobody else should change that policy's weights."""

    def __init__(self, policy: Policy, seed: int, *, max_rows: int = 256) -> None:
        """Until `load`, the policy's own weights are version 0.

        Args:
            policy: what generates.
            seed: root of all draws.
            max_rows: completions generated together; bounds memory.

        Raises:
            SteelyardError: there are no rows.
        """
        require(max_rows >= 1, f"max_rows is {max_rows}", where="max_rows", hint="use 1 or more")
        self.policy = policy
        self.seed = seed
        self.max_rows = max_rows
        self._reading = reading_for(policy)
        self._staged = StagedWeights(policy)
        self._endings = cache(lambda stop: Endings(policy, stop))

    def load(self, weights: Weights) -> None:
        """Take new weights, from the next batch on; a batch that is under way keeps the ones it began with.

        Raises:
            SteelyardError: the bytes do not have the digest that names them, or the size of this policy's weights.
        """
        self._staged.offer(weights)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Trajectory]:
        """Yield one trajectory per request as it ends: prompt, then completion with what ended it.

        Raises:
            SteelyardError: sampling settings out of range, an empty prompt, or one too long for the model's context.
        """
        check_requests(requests, sampling, self.policy.context_length)
        by_length = sorted(requests, key=lambda request: len(request.tokens))  # less padding
        for start in range(0, len(by_length), self.max_rows):
            yield from self._batch(by_length[start : start + self.max_rows], sampling)

    def _batch(self, requests: list[Request], sampling: Sampling) -> Iterator[Trajectory]:
        self._staged.take()
        self.policy.model.eval()
        stamp = (self._staged.version, self._staged.digest, sampling)
        uniform_NS = uniforms_of(self.seed, requests, sampling.max_tokens)
        endings = self._endings(sampling.stop)
        prompts = [request.tokens for request in requests]
        decoding = Decoding(self.policy, prompts, uniform_NS, sampling, endings, self._reading)
        while decoding.running:
            yield from _trajectories(requests, decoding.step(), stamp)


def _trajectories(requests: list[Request], ended: Ended, stamp: tuple[int, str, Sampling]) -> Iterator[Trajectory]:
    for row, tokens, logp, by in zip(ended.rows, ended.tokens, ended.logp, ended.by, strict=True):
        request = requests[row]
        blank = np.zeros(len(request.tokens), np.float32)
        yield Trajectory(
            request.prompt_id,
            np.concatenate([request.tokens, tokens], dtype=np.int32),
            np.repeat([False, True], [len(blank), len(tokens)]),
            np.concatenate([blank, logp]),
            *stamp,
            finish_of(by),
            request.sample,
            info=info_of(by),
        )
