"""Generation by a decode rule: from a position several continuations are drawn, and the rule keeps one.

Every token is read once, where the policy keeps keys and values: continuations share what was read before their
position, and the one that is kept goes on from what was read of it. Of other policies rows are read whole for every
token. All continuations of a batch take their steps together.

Where the rule asks for one continuation, token t of a sample is drawn with the t-th uniform of the sample's address, as
any engine does, so a rule that never asks for more gives the same samples. Candidate i that begins at token t has a
stream of its own, `rng(seed, "trial", prompt_id, s, t, i)`: no uniform is used twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from steelyard.core import Request, Sampling, Trajectory, Weights, id_of, require
from steelyard.decode import DecodeRule
from steelyard.policy import Policy
from steelyard.rollout.endings import Endings, finish_of, info_of
from steelyard.rollout.reading import forking_for
from steelyard.rollout.requests import check_requests
from steelyard.rollout.staged_weights import StagedWeights
from steelyard.rollout.trials import Sample, Trials


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
            max_rows: samples made together, and continuations tried together; bounds memory.
        """
        require(max_rows >= 1, f"max_rows is {max_rows}", where="max_rows", hint="use 1 or more")
        self.policy = policy
        self.rule = rule
        self.seed = seed
        self.max_rows = max_rows
        self.name = id_of(rule) or type(rule).__name__
        self._reading = forking_for(policy)
        self._staged = StagedWeights(policy)
        self._endings = cache(lambda stop: Endings(policy, stop))
        self._closes = cache(lambda token: rule.closes(policy.decode([token])))

    def load(self, weights: Weights) -> None:
        """Take new weights, from the next batch on.

        Raises:
            SteelyardError: the bytes do not have the digest that names them, or the size of this policy's weights.
        """
        self._staged.offer(weights)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Trajectory]:
        """Yield one trajectory per request as it ends: prompt, then completion with what ended it.

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
        trials = Trials(
            self.policy,
            self.rule,
            requests,
            seed=self.seed,
            sampling=sampling,
            max_rows=self.max_rows,
            reading=self._reading,
            endings=self._endings(sampling.stop),
            closes=self._closes,
        )
        while trials.running:
            yield from (self._trajectory(sample, sampling) for sample in trials.step())

    def _trajectory(self, sample: Sample, sampling: Sampling) -> Trajectory:
        request = sample.request
        blank = len(sample.request.tokens)
        return Trajectory(
            request.prompt_id,
            np.array([*request.tokens, *sample.tokens], np.int32),
            np.arange(blank + len(sample.tokens)) >= blank,
            np.array([*[0.0] * blank, *sample.logp], np.float32),
            self._staged.version,
            self._staged.digest,
            replace(sampling, rule=self.name),
            finish_of(sample.by),
            request.sample,
            info={"forwards": sample.forwards, "candidates": sample.tried, **info_of(sample.by)},
        )
