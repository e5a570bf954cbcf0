"""Whether a vLLM server computes with the weights that it takes: tried once, with weights that differ everywhere.

    gap = mean over sampled tokens | log pi_server(a) - log pi_policy(a) |      both under disturbed weights

Checksums are of what a server holds, not of what it computes with: on a processor it packs its layers, and a head that
is also the embedding stays packed as it was (vLLM 0.32). Such a server would draw from a policy that never was.
"""

import math

import numpy as np
import torch

from steelyard.core import Request, Sampling, Weights, pad, pad_stack, require
from steelyard.policy import Policy
from steelyard.rollout.vllm_http import VllmEngine

VERSION = -1
"""Of the disturbed weights."""
NOISE = 0.2
"""Each weight is multiplied by 1 plus so much noise, and so much of its tensor's spread is added, in the mean."""
SPREAD = 0.02
"""Least spread of a tensor that counts; B of an adapter, which is 0 at first, has one of its own."""
TOKENS = 16
ROWS = 4
CLOSE = {torch.float32: 1e-3}
"""Largest gap (nats) by number format."""
ELSE = 0.1
"""The same of coarser formats."""
WHOLE = "on a processor vLLM keeps an old head where that is the embedding: train a model with a head of its own"
ADAPTERS = "see that it serves the run's --model, unchanged, or add --vllm.lora merged"


def try_weights(engine: VllmEngine) -> float:
    """The gap; the engine has its policy's own weights again afterwards.

    Raises:
        SteelyardError: the gap is too large.
        ServerLostError, FaultError: as for `VllmEngine.generate`.
    """
    policy = engine.policy
    own = policy.weights()
    try:
        _disturb(policy)
        engine.load(Weights.of(policy.weights(), VERSION))
        gap = _gap(engine, policy)
    finally:
        policy.load_weights(own)
        engine.load(Weights.of(own, 0))
    what = f"the server does not compute with the weights that it takes: log-probabilities differ by {gap:.2g} nats"
    hint = ADAPTERS if engine.adapters else WHOLE
    require(gap <= CLOSE.get(policy.dtype, ELSE), what, where="--engine vllm", hint=hint)
    return gap


@torch.no_grad()
def _disturb(policy: Policy) -> None:
    draws = torch.Generator().manual_seed(0)
    for name, weight in policy.trainable().items():
        factor, more = torch.randn(2, *weight.shape, generator=draws).to(weight.device, weight.dtype)
        weight.mul_(1 + NOISE * factor).add_(NOISE * (weight.std(correction=0) + _least(policy, name)) * more)


def _least(policy: Policy, name: str) -> float:
    """The spread of B with which (alpha / rank) B A has one of 1 / sqrt(in), as A begins: about that of weights."""
    if policy.lora is None or "B." not in name.partition(".lora_")[2]:
        return SPREAD
    return math.sqrt(3 * policy.lora.rank) / policy.lora.alpha


@torch.no_grad()
def _gap(engine: VllmEngine, policy: Policy) -> float:
    length = min(TOKENS, engine.context // 2)
    prompt = tuple(token % policy.vocab_size for token in range(length))
    requests = [Request("trial", prompt, sample) for sample in range(ROWS)]
    found = list(engine.generate(requests, Sampling(max_tokens=length)))
    batch = pad(found)
    logp_NT = policy.step_logp(batch.tokens_NT, batch.attend_NT, batch.action_NT).logp_NT.cpu().numpy()
    behaviour_NT = pad_stack([t.logp_behaviour_T for t in found], batch.tokens_NT.shape[1], np.float32)
    return float(np.abs(logp_NT - behaviour_NT)[batch.action_NT.cpu().numpy()].mean())
