"""A policy's adapters on their way into a vLLM server: a directory of peft's in memory, loaded under a name of its own.

    1 what is left of earlier batches ends   2 earlier adapters are unloaded   3 the new one is written, and loaded
    4 each request names it: steelyard-v<version>-<digest>

The model below the adapters is sent once, and compared (`vllm_weights`). A request for a name that the server does not
hold is refused, which `check_takes_adapters` tries. vLLM keys cached prefixes by an adapter's name and path
(`_gen_lora_extra_hash_keys` in vLLM 0.32); both are new with each version, so none of another version is ever found.
It tells no checksum of adapters: that it computes with those that it was sent, log-probabilities alone say.
"""

import json
import secrets
from pathlib import Path

from steelyard.core import SteelyardError, require
from steelyard.policy import Policy, adapter_file
from steelyard.rollout.vllm_client import ServerBrokenError, ServerRefusesError, VllmClient
from steelyard.rollout.vllm_weights import memory_directory

GENERATE = "/inference/v1/generate"
LORA_VARIABLE = "VLLM_ALLOW_RUNTIME_LORA_UPDATING"
MODELS = "/v1/models"
OURS = "steelyard-"
"""How the names of our adapters begin."""
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Those that vLLM takes as the largest one."""
SLOTS = 2
"""Adapters that a server holds: the newest, and the one before it while the last of its requests end."""
WHERE = "--vllm.lora"
_LAYER = "base_model.model.model.layers.0.self_attn.o_proj"
"""In every family of models that this package computes itself."""


def lora_words(rank: int) -> list[str]:
    """What a server is started with to take adapters up to a rank; nothing for rank 0."""
    if not rank:
        return []
    largest = next(known for known in RANKS if known >= rank)
    return ["--enable-lora", "--max-lora-rank", str(largest), "--max-loras", str(SLOTS)]


def adapter_name(version: int, digest: str) -> str:
    """Under which the adapters of a version are loaded."""
    return f"{OURS}v{version}-{digest}"


def send_adapters(client: VllmClient, policy: Policy, name: str, deadline_s: float) -> int:
    """Have the server load the policy's adapters, in place of earlier ones; returns the bytes that they are.

    Raises:
        ServerLostError: the server did not load them in time, or cannot.
        ServerRefusesError: it takes no adapters, or not these.
    """
    unload_ours(client)
    with memory_directory() as directory:
        policy.save_adapters(Path(directory))
        _load(client, name, directory, deadline_s)
        return sum(file.stat().st_size for file in Path(directory).iterdir())


def unload_ours(client: VllmClient) -> None:
    """Unload the adapters of earlier versions, also those of a searcher that is gone, with all requests for them."""
    listed = client.get(MODELS).get("data")
    names = [str(entry["id"]) for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    earlier = [name for name in names if name.startswith(OURS)]
    if earlier:
        client.tell("/abort_requests", {})
    for name in earlier:
        _unload(client, name)


def check_takes_adapters(client: VllmClient, rank: int) -> None:
    """See that a server loads adapters of this rank, and refuses requests for those that it does not hold.

    An adapter of zeros is loaded, and unloaded again.

    Raises:
        SteelyardError: it does not.
        ServerLostError: nobody answers in time.
    """
    name = f"{OURS}trial-{secrets.token_hex(8)}"
    with memory_directory() as directory:
        _write_zeros(Path(directory), rank)
        try:
            _load(client, name, directory, client.deadline_s)
        except ServerRefusesError as error:
            raise SteelyardError(f"takes no adapters ({error})", where=WHERE, hint=how_to_start(rank)) from error
    _unload(client, name)
    what = f"{client.url} takes requests for adapters that it does not hold"
    hint = "start it without VLLM_SKIP_MODEL_NAME_VALIDATION, or add --vllm.lora merged"
    require(not _answers_for(client, name), what, where=WHERE, hint=hint)


def how_to_start(rank: int) -> str:
    """What mends a server that takes no adapters."""
    return f"start it with {' '.join(lora_words(rank))} and {LORA_VARIABLE}=1, or add --vllm.lora merged"


def _load(client: VllmClient, name: str, directory: str, deadline_s: float) -> None:
    asked = {"lora_name": name, "lora_path": directory}
    try:
        client.tell("/v1/load_lora_adapter", asked, deadline_s=deadline_s)
    except ServerBrokenError as error:
        client.get("/health")  # so does it say no to an adapter, if it is well
        raise ServerRefusesError(error.said) from error


def _unload(client: VllmClient, name: str) -> None:
    client.tell("/v1/unload_lora_adapter", {"lora_name": name})


def _answers_for(client: VllmClient, name: str) -> bool:
    asked = {"model": name, "token_ids": [0], "sampling_params": {"max_tokens": 1, "detokenize": False}}
    try:
        client.post(GENERATE, asked)
    except ServerRefusesError:
        return False
    return True


def _write_zeros(directory: Path, rank: int) -> None:
    """Zeros at one input and one output of one layer, which change nothing; vLLM takes no adapter of no layer."""
    import torch
    from safetensors.torch import save_file

    config = {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "target_modules": [_LAYER.rpartition(".")[2]]}
    (directory / adapter_file.CONFIG).write_text(json.dumps(config))
    tensors = {f"{_LAYER}.lora_A.weight": torch.zeros(rank, 1), f"{_LAYER}.lora_B.weight": torch.zeros(1, rank)}
    save_file(tensors, directory / adapter_file.WEIGHTS, {"format": "pt"})
