"""Generation by code of our own, for policies of the families of `steelyard.model.families`.

Prompts are read once for all their samples. A row that ends makes room for the next request, so that no row waits for
the longest (continuous batching). Where long prompts have several samples, these ask the prompt's keys together.
Between two turns of an episode its keys and values are kept, so that only what is new is read.

Token t of a completion is drawn with the t-th uniform of `rng(seed, *request.address)`, so a
completion depends on the weights, the prompt and its address, and on neither the batch around it nor the order of
requests (up to the last bits of the logits, which a batch's shape can move).
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor

from steelyard.core import FollowUps, Request, Sampling, Trajectory, Weights, require
from steelyard.policy import Policy
from steelyard.rollout.cache import WIDTH
from steelyard.rollout.endings import By, Endings, finish_of, info_of
from steelyard.rollout.fixed_rows import FixedRows
from steelyard.rollout.int8_projection import int8_works
from steelyard.rollout.network import Network
from steelyard.rollout.prefix_cache import PrefixCache
from steelyard.rollout.prefixes import Prefixes
from steelyard.rollout.requests import check_requests, uniforms_of
from steelyard.rollout.rows import Rows
from steelyard.rollout.running_rows import EndedRow, RunningRows
from steelyard.rollout.staged_weights import StagedWeights

SHARE = 8
"""Rows are let in when one in so many is free: each time costs a forward pass over the new prompts."""
FED = 64
"""A longer observation is read in one pass, with the episode before it; a shorter one is fed in token by token."""
SHARED = 24
"""Prompts are kept apart from rows where that saves each row the reading of so many tokens."""


class NativeEngine:
    """An `Engine` over a `Policy` that it owns and that has an `architecture`."""

    def __init__(
        self,
        policy: Policy,
        seed: int,
        *,
        max_rows: int = 256,
        in_flight: bool = False,
        fixed: bool | None = None,
        int8_head: bool = False,
    ) -> None:
        """Until `load`, the policy's own weights are version 0.

        Args:
            policy: whose weights generate.
            seed: root of all draws.
            max_rows: completions generated together; bounds memory.
            in_flight: newer weights are taken between two steps, in the middle of completions; `version_T` then says
                which version drew each token, and `version` is the oldest of them. Without it one version draws all.
            fixed: keep all tensors in place and draw several tokens between two looks (`FixedRows`); None does so on
                a GPU.
            int8_head: keep the head in 8 bits, on a processor: less to read for each token, other last digits of the
                logits. Log-probabilities are those of what was drawn from.

        Raises:
            SteelyardError: the policy is of another family or its hidden states are changed on the way, or there are
                no rows.
        """
        require(max_rows >= 1, f"max_rows is {max_rows}", where="max_rows", hint="use 1 or more")
        architecture = policy.architecture
        require(
            architecture is not None and architecture.decodes_natively,
            "the model is of another family than ours, or its attention has no decode kernel",
            where="engine",
            hint="use TransformersEngine",
        )
        assert architecture is not None
        _require_unchanged(policy)
        if int8_head:
            check_int8_head(policy, policy.device)
        self.policy = policy
        self.seed = seed
        self.max_rows = max_rows
        self.in_flight = in_flight
        self._staged = StagedWeights(policy)
        self.fixed = policy.device.type != "cpu" if fixed is None else fixed
        self._network = Network(architecture, policy.device, policy.dtype, fixed=self.fixed, int8_head=int8_head)
        self._prefix_cache = PrefixCache(self._network)
        self._rows: RunningRows | None = None
        self._kept: dict[tuple[str, int], Tensor] = {}
        self._endings = cache(lambda stop: Endings(policy, stop))
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
        """Yield one trajectory per request as it ends: prompt, then completion with what ended it.

        Raises:
            SteelyardError: sampling settings out of range, an empty prompt, one too long for the model's context, or
                hidden states that are changed on the way by now.
        """
        yield from self._generate(requests, sampling, None)

    def converse(self, requests: Sequence[Request], sampling: Sampling, follow_ups: FollowUps) -> Iterator[Trajectory]:
        """As `generate`, and then what follows: one trajectory per turn, whose tokens before it are no actions."""
        yield from self._generate(requests, sampling, follow_ups)

    def _generate(
        self, requests: Sequence[Request], sampling: Sampling, follow_ups: FollowUps | None
    ) -> Iterator[Trajectory]:
        _require_unchanged(self.policy)
        check_requests(requests, sampling, self.policy.context_length)
        self._kept.clear()
        waiting = _ordered(requests)
        rows = self._room(requests, sampling, turns=follow_ups is not None)
        while True:
            if follow_ups is not None:
                waiting = self._follow_up(follow_ups, waiting, rows, sampling)
            if not waiting and not rows.running:
                return
            self._prepare(rows, waiting, sampling)
            yield from self._draw(rows, sampling, keep=follow_ups is not None)

    def _follow_up(
        self, follow_ups: FollowUps, waiting: deque[Request], rows: RunningRows, sampling: Sampling
    ) -> deque[Request]:
        """Take the requests that go on with episodes; forget the keys and values of those that have ended."""
        taken = follow_ups.take(wait=not waiting and not rows.running)
        if taken:
            check_requests(taken, sampling, self.policy.context_length)
            waiting = _ordered([*waiting, *taken])
            self._network.reserve(len(waiting[0].tokens) + sampling.max_tokens)
        going_on = {(request.prompt_id, request.sample) for request in waiting}
        ended = [place for place in self._kept if place not in going_on and not follow_ups.open(*place)]
        for place in ended:
            del self._kept[place]
        return waiting

    @torch.inference_mode()
    def _prepare(self, rows: RunningRows, waiting: deque[Request], sampling: Sampling) -> None:
        """Have logits for the next column: of rows that run, and of those that can be let in."""
        idle = not rows.running and not self._kept  # an episode of several turns keeps its weights too
        if idle or (self.in_flight and self._staged.waiting):
            self._take(fresh=idle)
            rows.on_weight_update()
        if rows.running:
            rows.advance()
        # Without in-flight updates, rows that run keep their weights, and the next ones wait for them to end.
        full = rows.running and (rows.free < max(1, rows.size // SHARE) or self._staged.waiting)
        if not waiting or full:
            return
        if not rows.make_room(len(waiting[0].tokens), sampling.max_tokens + (FED if rows.slack else 0)):
            return
        chosen = [waiting.popleft() for _ in range(min(rows.free, len(waiting)))]
        fresh = [request for request in chosen if not self._resume(rows, request, sampling)]
        for part, index, read in self._prefix_cache.read(fresh, waiting[0] if waiting else None):
            rows.admit(part, index, read, uniforms_of(self.seed, part, sampling.max_tokens))

    def _resume(self, rows: RunningRows, request: Request, sampling: Sampling) -> bool:
        """Go on with an episode whose keys and values are kept; False where none are, or too much is to be fed in."""
        cache = self._kept.pop((request.prompt_id, request.sample), None)
        if cache is None or len(request.tokens) - cache.shape[3] > FED:
            return False
        rows.resume(request, cache, uniforms_of(self.seed, [request], sampling.max_tokens)[0])
        return True

    def _take(self, *, fresh: bool) -> None:
        """Take weights that wait; at the first time, the policy's own where there are none."""
        if self._staged.waiting or not self._digests:
            self._staged.take()
            self._network.take(self.policy.plain_weights(), self.policy.untrained)
            self._prefix_cache.clear()
        self._digests = ({} if fresh else self._digests) | {self.version: self.digest}

    @torch.inference_mode()
    def _draw(self, rows: RunningRows, sampling: Sampling, *, keep: bool) -> list[Trajectory]:
        """Draw a token for each row that runs, or several; those that end by it leave the batch."""
        ended, how = rows.draw(sampling, self._endings(sampling.stop), self.version)
        if not len(ended):
            return []
        found: list[Trajectory] = []
        for row, by in zip(rows.end(ended, keep=keep), how, strict=True):
            found.append(self._trajectory(row, by, sampling))
            if row.cache is not None:
                self._kept[row.request.prompt_id, row.request.sample] = row.cache
        return found

    def _trajectory(self, row: EndedRow, by: By, sampling: Sampling) -> Trajectory:
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
            finish_of(by),
            request.sample,
            info=info_of(by),
            **mixed,
        )

    @torch.inference_mode()
    def _room(self, requests: Sequence[Request], sampling: Sampling, *, turns: bool) -> RunningRows:
        """Rows for these requests; those of an earlier call, where they are enough and nobody uses them."""
        longest = max((len(request.tokens) for request in requests), default=1)
        steps = sampling.max_tokens
        if self.fixed:
            return self._fixed_room(longest + steps, min(self.max_rows, len(requests)), FED if turns else 0)
        prompts = len({request.tokens for request in requests})
        # What rows need not read again for each other, against what it costs to ask the prompts apart.
        saves = longest * (len(requests) - prompts) > SHARED * len(requests)
        shares = saves and self._network.shares_prompts(longest + steps) and not turns
        slack = WIDTH if turns else 0
        size = max(1, min(self.max_rows, len(requests)))
        columns = (0 if shares else longest) + 2 * steps + WIDTH + slack
        places = size if self.in_flight else min(size, prompts)
        shape = (size, columns, slack, *((places, longest) if shares else ()))
        self._network.reserve(longest + steps)
        if self._rows is None or self._rows.running or self._shape != shape:
            prefixes = Prefixes(self._network, places, longest) if shares else None
            self._rows = Rows(self._network, size, columns, prefixes, slack)
            self._shape = shape
        return self._rows

    def _fixed_room(self, columns: int, size: int, slack: int) -> FixedRows:
        """Likewise for tensors that stay in place: larger ones than are needed do as well."""
        rows = self._rows
        wanted = (size, columns + slack, slack)
        if isinstance(rows, FixedRows) and rows.serves(*wanted):
            return rows
        self._rows = None  # its memory is given back first
        self._rows = made = FixedRows(self._network, *wanted)
        return made


def _require_unchanged(policy: Policy) -> None:
    """Refuse a policy with an intervention or a forward hook: this engine never runs the modules they stand in."""
    what = "an intervention or a forward hook changes the model's hidden states, which this engine does not compute"
    require(not policy.hooked, what, where="engine", hint="use engine_for, or TransformersEngine")


def check_int8_head(policy: Policy, device: torch.device) -> None:
    """Refuse an 8-bit head where this engine cannot multiply by one.

    Args:
        policy: of the engine; it may be without its weights.
        device: where the engine computes.

    Raises:
        SteelyardError: the policy has another engine, a GPU computes, or torch lacks the product on this processor.
    """
    for holds, what in (
        (policy.slow_reason is None, "the model is generated by the slower engine, which has none"),
        (device.type == "cpu", "a GPU computes, and has none"),
        (int8_works(), "torch has no such product on this processor"),
    ):
        require(holds, f"is int8, but {what}", where="--search.head", hint="leave it out")


def _ordered(requests: Iterable[Request]) -> deque[Request]:
    """Longest first, so that what is admitted later finds columns enough before it; samples of a prompt together."""
    return deque(sorted(requests, key=lambda request: (-len(request.tokens), request.tokens)))
