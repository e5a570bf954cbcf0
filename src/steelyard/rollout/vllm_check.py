"""Whether a vLLM server is one that this package can work with: asked before a run begins, in seconds.

Its version, its model, its mode, and one token are looked at, and an adapter where these are sent alone. The oldest
version is the oldest that this has run with. Its number format is not told; weights of another one are found by their
checksums.
"""

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from steelyard.core import SteelyardError, require
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.rollout.vllm_adapters import GENERATE, MODELS, check_takes_adapters
from steelyard.rollout.vllm_answer import completion_in
from steelyard.rollout.vllm_client import ServerLostError, ServerRefusesError, VllmClient

OLDEST = (0, 32)
WHERE = "--engine vllm"
_DEVELOPMENT = "start it with VLLM_SERVER_DEV_MODE=1 in its environment, on loopback or a socket of your own"


def check_version(said: str, where: str = WHERE) -> None:
    """Refuse a version that is too old.

    Raises:
        SteelyardError: it is, or is no version.
    """
    oldest = ".".join(map(str, OLDEST))
    what = f"vLLM {said} is too old" if said else "it does not say its version"
    require(_numbers(said) >= OLDEST, what, where=where, hint=f"use vLLM {oldest} or newer")


def check_server(client: VllmClient, model: str, seconds: float, lora_rank: int = 0) -> int:
    """See that a server is of the right kind for a model, which is a directory or a hub id.

    Returns how many tokens it takes, prompt and completion together. The client's deadline shrinks meanwhile. It must
    take adapters of `lora_rank`, unless that is 0.

    Raises:
        SteelyardError: it is not, or has not answered everything within so many seconds.
    """
    try:
        return look_at(client, model, lora_rank, time.monotonic() + seconds)
    except ServerLostError as error:
        hint = "start the server first, see that it is well, and give its address"
        raise SteelyardError(str(error), where="--vllm.url", hint=hint) from error
    except ServerRefusesError as error:
        hint = "see that a vLLM server is there, and that VLLM_API_KEY is its key if it has one"
        raise SteelyardError(str(error), where="--vllm.url", hint=hint) from error


def look_at(client: VllmClient, model: str, lora_rank: int = 0, until: float | None = None) -> int:
    """The same, for a server that was there when the run began: that it is gone now is nobody's mistake.

    Raises:
        SteelyardError: it is of another kind.
        ServerLostError: nobody answers in time.
        ServerRefusesError: it does not answer as vLLM does.
    """
    context = 0
    looks = [_version, _context, _development, _tokens, *([partial(_adapters, rank=lora_rank)] if lora_rank else [])]
    for look in looks:
        if until is not None:
            client.deadline_s = max(0.1, until - time.monotonic())
        context = look(client, model) or context
    return context


def _version(client: VllmClient, _: str) -> None:
    check_version(str(client.get("/version").get("version", "")))


def _context(client: VllmClient, model: str) -> int:
    """It serves the model; returns how many tokens it takes."""
    served = _entries(client.get(MODELS))
    what = f"{client.url} serves {_named(served)}, and not {model}"
    same = any(_same(str(entry.get("root")), model) for entry in served)
    require(same, what, where="--model", hint="start the server with the model that is trained, or train its model")
    return min(int(entry.get("max_model_len") or 0) for entry in served)


def _development(client: VllmClient, _: str) -> None:
    """It takes weights, on one device."""
    try:
        size = client.get("/get_world_size").get("world_size")
    except ServerRefusesError as error:
        what = f"{client.url} is not in development mode, in which it takes weights"
        raise SteelyardError(what, where=WHERE, hint=_DEVELOPMENT) from error
    hint = "start it with one: its weights are compared with those that it is sent"
    require(size == 1, f"{client.url} has {size} devices", where=WHERE, hint=hint)


def _tokens(client: VllmClient, _: str) -> None:
    """It takes tokens, and says of its own what drew them: of one that alone was left, with what probability."""
    sampling = {"max_tokens": 1, "logprobs": 0, "top_k": 1, "detokenize": False}
    try:
        found = completion_in(client.post(GENERATE, {"token_ids": [0], "sampling_params": sampling}))
    except ServerRefusesError as error:
        raise SteelyardError(str(error), where=WHERE, hint="start the server with --enable-scale-out") from error
    what = f"{client.url} gives other log-probabilities than those of what it draws from"
    certain = [token.logprob for token in found.logprobs.content] == [0.0]
    require(certain, what, where=WHERE, hint="start it with --logprobs-mode processed_logprobs")


def _adapters(client: VllmClient, _: str, *, rank: int) -> None:
    check_takes_adapters(client, rank)


def _entries(models: JsonObject) -> Sequence[JsonMapping]:
    """The models that it serves, without adapters."""
    found = models.get("data")
    entries = [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    entries = [entry for entry in entries if not entry.get("parent")]
    require(bool(entries), "the server names no model", where="--vllm.url", hint="see that it is a vLLM server")
    return entries


def _named(served: Sequence[JsonMapping]) -> str:
    return " and ".join(str(entry.get("root")) for entry in served)


def _same(root: str, model: str) -> bool:
    """Whether two names are of the same model: the same hub id, or the same directory."""
    return root == model or (Path(model).is_dir() and Path(root).is_dir() and Path(root).samefile(model))


def _numbers(version: str) -> tuple[int, ...]:
    """The first two numbers of a version; nothing where it has not two."""
    parts = version.split(".")[:2]
    return tuple(map(int, parts)) if len(parts) == 2 and all(part.isdigit() for part in parts) else ()
