"""Generation on the transformers model itself, with a decode loop of our own.

Token t of sample s of a prompt is drawn with the t-th uniform of `stream(seed, "sample", prompt_id, s)`, so a
completion depends on the weights, the prompt and its address, and on neither the batch around it nor the order of
requests (up to the last bits of the logits, which a batch's shape can move).
"""

from collections.abc import Iterator, Sequence

import numpy as np

from steelyard.core import Request, Sampling, Trajectory, Weights, digest_of, require, stream
from steelyard.core.trajectory import Finish
from steelyard.policy import Policy
from steelyard.rollout.decoding import Decoding, Ended
from steelyard.rollout.sampling import check


class TransformersEngine:
    """An `Engine` over a `Policy` that it owns: nobody else should change that policy's weights."""

    def __init__(self, policy: Policy, seed: int, *, max_rows: int = 256) -> None:
        """Until `load`, the policy's own weights are version 0.

        Args:
            policy: what generates.
            seed: root of all draws.
            max_rows: completions generated together; bounds memory.
        """
        require(max_rows >= 1, f"max_rows is {max_rows}", where="max_rows", mend="use 1 or more")
        self.policy, self.seed, self.max_rows = policy, seed, max_rows
        self.version, self.digest = 0, digest_of(policy.weights())
        self._next: Weights | None = None

    def load(self, weights: Weights) -> None:
        """Take new weights, from the next batch on; a batch that is under way keeps the ones it began with.

        Raises:
            SteelyardError: the bytes do not have the digest that names them, or the size of this policy's weights.
        """
        require(digest_of(weights.data) == weights.digest, f"weights of version {weights.version} are damaged",
                where="engine", mend="publish them again")  # fmt: skip
        require(weights.data.nbytes == self.policy.num_bytes,
                f"{weights.data.nbytes} bytes of weights for a policy that has {self.policy.num_bytes}",
                where="engine", mend="load weights of the same model, LoRA settings and dtype")  # fmt: skip
        self._next = weights

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Trajectory]:
        """Yield one trajectory per request as it ends: prompt, then completion with its end-of-sequence token.

        Raises:
            SteelyardError: sampling settings out of range, an empty prompt, or one too long for the model's context.
        """
        check(sampling)
        for request in requests:
            self._check_length(request, sampling)
        by_length = sorted(requests, key=lambda request: len(request.tokens))  # less padding
        for start in range(0, len(by_length), self.max_rows):
            yield from self._batch(by_length[start : start + self.max_rows], sampling)

    def _check_length(self, request: Request, sampling: Sampling) -> None:
        length, context, where = len(request.tokens), self.policy.context_length, f"prompt {request.prompt_id}"
        require(length > 0, "it has no tokens", where=where, mend="give the model at least one token to continue")
        require(length + sampling.max_tokens <= context,
                f"{length} tokens and {sampling.max_tokens} to generate exceed the model's context of {context}",
                where=where, mend="shorten the prompt or lower max_tokens")  # fmt: skip

    def _batch(self, requests: list[Request], sampling: Sampling) -> Iterator[Trajectory]:
        if self._next is not None:
            self.policy.load_weights(self._next.data)
            self.version, self.digest, self._next = self._next.version, self._next.digest, None
        self.policy.model.eval()
        stamp = (self.version, self.digest, sampling)
        uniform_NS = np.stack([
            stream(self.seed, "sample", r.prompt_id, r.sample).random(sampling.max_tokens) for r in requests
        ])  # fmt: skip
        decoding = Decoding(self.policy, [r.tokens for r in requests], uniform_NS, sampling)
        while decoding.running:
            yield from _trajectories(requests, decoding.step(), stamp)


def _trajectories(requests: list[Request], ended: Ended, stamp: tuple[int, str, Sampling]) -> Iterator[Trajectory]:
    for row, tokens, logp, stopped in zip(ended.rows, ended.tokens, ended.logp, ended.stopped, strict=True):
        request = requests[row]
        finish: Finish = "stop" if stopped else "length"
        blank = np.zeros(len(request.tokens), np.float32)
        yield Trajectory(
            request.prompt_id, np.concatenate([request.tokens, tokens], dtype=np.int32),
            np.repeat([False, True], [len(blank), len(tokens)]), np.concatenate([blank, logp]), *stamp, finish,
            request.sample,
        )  # fmt: skip
