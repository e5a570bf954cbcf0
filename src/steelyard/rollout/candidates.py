"""Generation by a decode rule: from a position several continuations are drawn, and the rule keeps one.

Rows are read whole for every token, without a cache: right for any policy, and slow for long completions. All positions
and continuations of a batch take their steps together.

Where the rule asks for one continuation, token t of a sample is drawn with the t-th uniform of the sample's address, as
any engine does, so a rule that never asks for more gives the same samples. Candidate i that begins at token t has a
stream of its own, `rng(seed, "trial", prompt_id, s, t, i)`: no uniform is used twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from steelyard.core import Request, Sampling, Trajectory, Weights, id_of, require, uniforms
from steelyard.core.trajectory import Finish
from steelyard.decode import DecodeRule
from steelyard.policy import Policy
from steelyard.rollout.reading import last_logits
from steelyard.rollout.requests import check_requests, uniforms_of
from steelyard.rollout.sampling import draw, warp
from steelyard.rollout.staged_weights import StagedWeights


@dataclass
class _Candidate:
    """One continuation: the uniforms of its tokens, what was drawn, and whether it has ended."""

    uniform_S: Float64[np.ndarray, "S"]
    tokens: list[int] = field(default_factory=list)
    logp: list[float] = field(default_factory=list)
    ended: bool = False


@dataclass
class _Sample:
    """A request on its way: its completion so far, and the candidates that are open at its end."""

    request: Request
    uniform_S: Float64[np.ndarray, "S"]
    tokens: list[int] = field(default_factory=list)
    logp: list[float] = field(default_factory=list)
    candidates: list[_Candidate] = field(default_factory=list)
    forwards: int = 0
    tried: int = 0


class CandidateEngine:
    """An `Engine` that follows a decode rule, over a `Policy` that it owns.

    Its completions are not samples of the policy: `logp_behaviour_T` is log p of each token under the policy after
    temperature, top-k and top-p, but the rule then chose among candidates. So `sampling.rule` names the rule, and
    `sampling.full_support` is False. Do not give these completions to an objective that needs on-policy samples or true
    behaviour probabilities; trajectory balance needs neither. `info["forwards"]` counts the positions at which the
    model was run, as an engine with a cache would (plain sampling: one per token), and `info["candidates"]` the
    candidates that were sampled.
    """

    def __init__(self, policy: Policy, rule: DecodeRule, seed: int, *, max_rows: int = 256) -> None:
        """Until `load`, the policy's own weights are version 0.

        Args:
            policy: what generates; of any family.
            rule: how many continuations are tried, and which is kept.
            seed: root of all draws.
            max_rows: samples made together, and rows read together; bounds memory.
        """
        require(max_rows >= 1, f"max_rows is {max_rows}", where="max_rows", hint="use 1 or more")
        self.policy = policy
        self.rule = rule
        self.seed = seed
        self.max_rows = max_rows
        self.name = id_of(rule) or type(rule).__name__
        self._staged = StagedWeights(policy)
        self._closes = cache(lambda token: rule.closes(policy.decode([token])))

    def load(self, weights: Weights) -> None:
        """Take new weights, from the next batch on.

        Raises:
            SteelyardError: the bytes do not have the digest that names them, or the size of this policy's weights.
        """
        self._staged.offer(weights)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Trajectory]:
        """Yield one trajectory per request as it ends: prompt, then completion with its end-of-sequence token.

        Raises:
            SteelyardError: greedy sampling, settings out of range, an empty prompt, or one too long for the model.
        """
        require(
            sampling.rule in ("", self.name),
            f"the rule is {sampling.rule!r}",
            where="engine",
            hint=f"this engine follows {self.name}",
        )
        require(
            sampling.temperature > 0,
            "all continuations at temperature 0 are alike",
            where="temperature",
            hint="use a temperature above 0, or another engine",
        )
        plain = replace(sampling, rule="")
        check_requests(requests, plain, self.policy.context_length)
        for start in range(0, len(requests), self.max_rows):
            yield from self._batch(requests[start : start + self.max_rows], plain)

    def _batch(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Trajectory]:
        self._staged.take()
        uniform_NS = uniforms_of(self.seed, requests, sampling.max_tokens)
        running = [_Sample(*pair) for pair in zip(requests, uniform_NS, strict=True)]
        while running:
            self._open([s for s in running if not s.candidates], sampling)
            self._go_on(
                [(s, candidate) for s in running for candidate in s.candidates if not candidate.ended], sampling
            )
            for sample in running:
                if sample.candidates and all(candidate.ended for candidate in sample.candidates):
                    self._keep(sample)
            ended = [s for s in running if self._ended(s, sampling)]
            running = [s for s in running if not self._ended(s, sampling)]
            yield from (self._trajectory(s, sampling) for s in ended)

    @torch.inference_mode()
    def _open(self, samples: Sequence[_Sample], sampling: Sampling) -> None:
        """Draw the next token, or the first of each candidate, at positions where nothing is open."""
        if not samples:
            return
        logits_NV = self._read([[*s.request.tokens, *s.tokens] for s in samples], samples)
        number_N = self.rule.num_candidates(warp(logits_NV, sampling))
        for sample, number in zip(samples, number_N.tolist(), strict=True):
            sample.forwards += 1
            sample.candidates = self._begin(sample, number, sampling)
            sample.tried += number if number > 1 else 0
        begun = [candidate for sample in samples for candidate in sample.candidates]
        self._draw(begun, logits_NV.repeat_interleave(number_N, 0), sampling)

    def _begin(self, sample: _Sample, number: int, sampling: Sampling) -> list[_Candidate]:
        at = len(sample.tokens)
        if number == 1:
            return [_Candidate(sample.uniform_S[at : at + 1])]
        addresses = [("trial", *sample.request.address[1:], at, i) for i in range(number)]
        return [_Candidate(uniform_S) for uniform_S in uniforms(self.seed, addresses, sampling.max_tokens - at)]

    @torch.inference_mode()
    def _go_on(self, open: Sequence[tuple[_Sample, _Candidate]], sampling: Sampling) -> None:
        """Draw the next token of candidates that have one, which `_open` may have begun in the same step."""
        if not open:
            return
        for sample, _ in open:
            sample.forwards += 1
        rows = [[*s.request.tokens, *s.tokens, *candidate.tokens] for s, candidate in open]
        logits_NV = self._read(rows, [s for s, _ in open])
        self._draw([candidate for _, candidate in open], logits_NV, sampling)

    def _draw(self, candidates: Sequence[_Candidate], logits_NV: Tensor, sampling: Sampling) -> None:
        """One more token for each; a candidate ends at punctuation, at an end of sequence and at the length limit."""
        uniform_N = torch.tensor([t.uniform_S[len(t.tokens)] for t in candidates], dtype=torch.float64)
        token_N, logp_N = draw(logits_NV, uniform_N.to(logits_NV.device), sampling)
        for candidate, token, logp in zip(candidates, token_N.tolist(), logp_N.tolist(), strict=True):
            candidate.tokens.append(token)
            candidate.logp.append(logp)
            full = len(candidate.tokens) == len(candidate.uniform_S)
            candidate.ended = full or token in self.policy.eos_ids or self._closes(token)

    def _keep(self, sample: _Sample) -> None:
        """Append the candidate that the rule chooses."""
        rows = [np.array(candidate.logp, np.float32) for candidate in sample.candidates]
        kept = sample.candidates[0 if len(rows) == 1 else self.rule.choose(rows)]
        sample.tokens += kept.tokens
        sample.logp += kept.logp
        sample.candidates = []

    def _ended(self, sample: _Sample, sampling: Sampling) -> bool:
        tokens = sample.tokens
        return not sample.candidates and (len(tokens) == sampling.max_tokens or tokens[-1] in self.policy.eos_ids)

    def _read(self, rows: Sequence[Sequence[int]], samples: Sequence[_Sample]) -> Tensor:
        """Logits after the last token of each row; `samples` are those that the rows belong to."""
        prompts = [len(sample.request.tokens) for sample in samples]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))  # less padding
        parts = [order[start : start + self.max_rows] for start in range(0, len(order), self.max_rows)]
        logits_NV = torch.cat(
            [last_logits(self.policy, [rows[i] for i in part], [prompts[i] for i in part]) for part in parts]
        )
        return logits_NV[torch.argsort(torch.tensor(order, device=logits_NV.device))]

    def _trajectory(self, sample: _Sample, sampling: Sampling) -> Trajectory:
        request = sample.request
        blank = len(sample.request.tokens)
        finish: Finish = "stop" if sample.tokens[-1] in self.policy.eos_ids else "length"
        return Trajectory(
            request.prompt_id,
            np.array([*request.tokens, *sample.tokens], np.int32),
            np.arange(blank + len(sample.tokens)) >= blank,
            np.array([*[0.0] * blank, *sample.logp], np.float32),
            self._staged.version,
            self._staged.digest,
            replace(sampling, rule=self.name),
            finish,
            request.sample,
            info={"forwards": sample.forwards, "candidates": sample.tried},
        )
