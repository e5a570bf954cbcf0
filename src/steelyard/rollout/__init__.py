"""Engines: prompts in, trajectories with behaviour log-probabilities out, stamped with the weights that made them."""

from steelyard.core import Engine, require
from steelyard.decode import DecodeRule
from steelyard.policy import Policy
from steelyard.rollout.candidates import CandidateEngine
from steelyard.rollout.engine import TransformersEngine
from steelyard.rollout.episodes import Codec, Episodes
from steelyard.rollout.native import NativeEngine, check_int8_head
from steelyard.rollout.soft_tokens import SoftTokens

__all__ = [
    "CandidateEngine",
    "Codec",
    "Episodes",
    "NativeEngine",
    "SoftTokens",
    "TransformersEngine",
    "check_int8_head",
    "engine_for",
]


def engine_for(
    policy: Policy, seed: int, *, in_flight: bool = False, rule: DecodeRule | None = None, int8_head: bool = False
) -> Engine:
    """The fastest engine for a policy: the native one where it has kernels for the model, else the forward pass.

    `policy.slow_reason` says why a policy gets the slower one. A decode rule has an engine of its own.

    Raises:
        SteelyardError: `in_flight` or `int8_head` for a policy of the slower engine, or with a decode rule.
    """
    if int8_head:
        require(
            rule is None, "is int8, but a decode rule has none", where="--search.head", hint="leave out one of them"
        )
        check_int8_head(policy, policy.device)
    if rule is not None:
        what = "is set, but a decode rule goes on from what one set of weights has read"
        require(not in_flight, what, where="--in-flight", hint="leave it out")
        return CandidateEngine(policy, rule, seed)
    if policy.slow_reason is None:
        return NativeEngine(policy, seed, in_flight=in_flight, int8_head=int8_head)
    require(
        not in_flight,
        "is set, but only models of our own families whose attention has a decode kernel can change weights in a batch",
        where="--in-flight",
        hint="leave it out",
    )
    return TransformersEngine(policy, seed)
