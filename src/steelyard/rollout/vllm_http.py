"""Generation by a vLLM server of this machine: tokens in, tokens out, over HTTP, in processes of its own.

    the policy's weights -> a file in memory -> the server, which takes them in place and says what it holds
    one request per completion, seeded by its address -> tokens, log-probabilities, and which weights drew them

Weights have a label, version and digest, that the server is given after its checksums were compared; while it takes
weights it has another one. A completion that any other label drew any token of is refused. Cached prefixes of earlier
weights are dropped with them. Adapters go alone where the engine is told so: the model below them once, and then each
version of them under a name of its own, that every request says (`vllm_adapters`).

Differs from the engines of our own: draws come from vLLM's generator, so a completion depends on its address, the
weights and vLLM's version, and is another one than theirs. It is generated to its bound or an end token, and cut here
at a stop string. Temperature is 0, or from .01 on and finite: vLLM has no others.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import cache

import numpy as np
from torch import Tensor

from steelyard.core import FaultError, Request, Sampling, Trajectory, Weights, derive, require
from steelyard.core.json import JsonObject
from steelyard.core.waiting import waiting
from steelyard.policy import Policy
from steelyard.rollout.endings import Endings, finish_of, info_of
from steelyard.rollout.requests import check_requests
from steelyard.rollout.staged_weights import StagedWeights
from steelyard.rollout.vllm_adapters import GENERATE, adapter_name, send_adapters, unload_ours
from steelyard.rollout.vllm_answer import WHERE, check_label, completion_in, drawn, first_end
from steelyard.rollout.vllm_client import ServerLostError, ServerRefusesError, VllmClient
from steelyard.rollout.vllm_weights import send

AT_ONCE = 64
"""Requests under way: enough that the server is not idle, few enough that each has its answer in time."""
CHANGING = "steelyard: weights are changing"
"""The label of weights that were not compared yet."""
COOLEST = 0.01
"""vLLM raises lower temperatures to this one."""


class VllmEngine:
    """An `Engine` over a server that nobody else gives weights, and a `Policy` that it owns.

    Args:
        policy: has the weights that generate; computes nothing here.
        seed: root of all draws.
        client: asks the server.
        context: tokens of prompt and completion that the server takes.
        adapters: send the policy's adapters alone, in place of the whole model with the adapters merged in.
        keeps: whatever must live as long as the engine, such as a server of its own.

    Raises:
        SteelyardError: the policy's hidden states are changed on the way, which the server does not compute.
    """

    def __init__(
        self,
        policy: Policy,
        seed: int,
        client: VllmClient,
        *,
        context: int,
        adapters: bool = False,
        keeps: object = None,
    ) -> None:
        what = "an intervention or a forward hook changes the model's hidden states, which a server does not compute"
        require(not policy.hooked, what, where="engine", hint="leave out --engine vllm")
        self.policy = policy
        self.seed = seed
        self.client = client
        self.context = min(policy.context_length, context)
        self.compared = 0
        """Parameters of the server whose checksums were compared with the newest weights that were sent whole."""
        self.adapters = adapters
        self._adapter: dict[str, str] = {}
        self._has_base = False
        self._keeps = keeps
        self._staged = StagedWeights(policy)
        self._label: str | None = None
        self._endings = cache(lambda stop: Endings(policy, stop))

    @property
    def version(self) -> int:
        """Of the weights that generate."""
        return self._staged.version

    def load(self, weights: Weights) -> None:
        """Take new weights, from the next batch on; a batch that is under way keeps the ones it began with.

        Raises:
            SteelyardError: the bytes do not have the digest that names them, or the size of this policy's weights.
        """
        self._staged.offer(weights)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Trajectory]:
        """Yield one trajectory per request as it ends: prompt, then completion with what ended it.

        Raises:
            SteelyardError: sampling settings out of range, an empty prompt, one too long for the context, or a token
                that the model has not.
            ServerLostError: the server is gone, broken or late. What was not yielded is lost, and can be asked again.
            FaultError: it holds other weights than it was given, or other weights drew a token.
        """
        check_requests(requests, sampling, self.context)
        self._check(requests, sampling)
        try:
            self._take()
            if requests:
                yield from self._batch(requests, sampling)
        except ServerRefusesError as error:
            raise FaultError(str(error), where=WHERE, hint="look at the server's log") from error

    def _check(self, requests: Sequence[Request], sampling: Sampling) -> None:
        """Refuse what ends a server, and what it would quietly make something else of."""
        heat = sampling.temperature
        hint = f"use 0, or {COOLEST} and more"
        require(heat == 0 or COOLEST <= heat < float("inf"), f"is {heat}", where="temperature", hint=hint)
        rows = self.policy.vocab_size
        for request in requests:
            what = f"a token is not below {rows}"
            fits = min(request.tokens) >= 0 and max(request.tokens) < rows
            require(fits, what, where=f"prompt {request.prompt_id}", hint="use the model's own tokenizer")

    # Weights

    def _take(self) -> None:
        """Give the server what waits; at the first time, the policy's own weights where there are none."""
        if self._label is not None and not self._staged.waiting:
            return
        self._label = None
        self._staged.take()
        with waiting("giving weights to a vLLM server", ends=True):
            self._name(CHANGING)
            if self.adapters:
                self._send_adapters()
            else:
                self._send_whole(self.policy.plain_weights())
            label = f"{self._staged.version} {self._staged.digest}"
            self._name(label)
        self._label = label

    def _send_adapters(self) -> None:
        """The adapters alone; at the first time, also the model below them."""
        if not self._has_base:
            unload_ours(self.client)
            self._send_whole(self.policy.base_weights())
            self._has_base = True
        name = adapter_name(self._staged.version, self._staged.digest)
        send_adapters(self.client, self.policy, name, self.client.deadline_s)
        self._adapter = {"model": name}

    def _send_whole(self, weights: Mapping[str, Tensor]) -> None:
        """A whole model, and what was kept of prompts that earlier ones read is dropped."""
        self.compared = send(self.client, weights, self.client.deadline_s)
        forgotten = self.client.post("/reset_prefix_cache", {}).get("success")
        if forgotten is not True:  # completions of a batch that was given up may still hold it
            self.client.post("/abort_requests", {})
            forgotten = self.client.post("/reset_prefix_cache", {}).get("success")
        if forgotten is not True:
            raise ServerLostError(f"{self.client.url} does not drop the prefixes of earlier weights")

    def _name(self, label: str) -> None:
        self.client.post("/update_weight_version", {"new_version": label})

    # Completions

    def _batch(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Trajectory]:
        pool = ThreadPoolExecutor(min(AT_ONCE, len(requests)), thread_name_prefix="vllm")
        asked = {pool.submit(self._ask, request, sampling): request for request in requests}
        left = set(asked)
        try:
            while left:
                with waiting(f"waiting for {len(left)} completions of a vLLM server", ends=True):
                    done, left = wait(left, None, FIRST_COMPLETED)  # each request has a deadline of its own
                for future in done:
                    yield self._trajectory(asked[future], future.result(), sampling)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            _hang_up(self.client, left)

    def _ask(self, request: Request, sampling: Sampling) -> JsonObject:
        endings = self._endings(sampling.stop)
        told = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "max_tokens": sampling.max_tokens,
            "seed": derive(self.seed, *request.address) >> 1,  # it has 63 bits for one
            "logprobs": 0,  # that of the token alone
            "stop_token_ids": list(endings.ids),
            "ignore_eos": True,
            "detokenize": False,
        }
        body = {"token_ids": list(request.tokens), "sampling_params": told, **self._adapter}
        return self.client.post(GENERATE, body)

    def _trajectory(self, request: Request, answer: JsonObject, sampling: Sampling) -> Trajectory:
        found = completion_in(answer)
        check_label(found, str(self._label))
        tokens, logp = drawn(found)
        length, by = first_end(self._endings(sampling.stop), tokens)
        if by is None and length < sampling.max_tokens:
            raise ServerLostError(f"{self.client.url} ended a completion too early ({found.finish_reason})")
        blank = len(request.tokens)
        greedy = sampling.temperature == 0  # whose token was certain
        return Trajectory(
            request.prompt_id,
            np.concatenate([request.tokens, tokens[:length]], dtype=np.int32),
            np.repeat([False, True], [blank, length]),
            np.concatenate([np.zeros(blank), np.zeros(length) if greedy else logp[:length]], dtype=np.float32),
            self._staged.version,
            self._staged.digest,
            sampling,
            finish_of(by),
            request.sample,
            info=info_of(by),
        )


def _hang_up(client: VllmClient, asked: Collection[Future[JsonObject]]) -> None:
    """End requests that nobody waits for any more, also those that are just being made."""
    left = {future for future in asked if not future.cancelled()}
    while left:
        client.hang_up()
        _, left = wait(left, 0.05)
