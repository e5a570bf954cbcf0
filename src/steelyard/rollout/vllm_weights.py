"""A policy's weights on their way into a vLLM server: a file in memory, read in place, and checked by what it holds.

    1 a safetensors file in memory   2 reload_weights   3 the server's SHA-256 of each parameter = ours

vLLM keeps some parameters in a layout of its own. Compared are those that it keeps as they are, with rows of zeros
below them (vocabularies come in multiples of 64), transposed, or joined (query, key and value; gate and up). On a
processor it packs linear layers and keeps nothing of them that could be hashed: embeddings, norms and head are compared
there, and for the rest the searcher's comparison of log-probabilities is the only witness.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from steelyard.core import FaultError
from steelyard.rollout.vllm_client import VllmClient

MEMORY = Path("/dev/shm")
JOINED = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}
"""Parameters that vLLM makes of several."""
ROWS = 64
"""Vocabularies have a multiple of so many rows there."""
EMPTY = hashlib.sha256().hexdigest()
"""Of a parameter that was packed away."""
WHERE = "weights of the vLLM server"


def memory_directory(prefix: str = "steelyard-vllm-") -> TemporaryDirectory[str]:
    """A directory that nobody else can read, in memory where the system has one there."""
    return TemporaryDirectory(prefix=prefix, dir=MEMORY if MEMORY.is_dir() else None)


def send(client: VllmClient, weights: Mapping[str, Tensor], deadline_s: float) -> int:
    """Have the server take these weights, and see that it has; returns how many of its parameters were compared.

    Raises:
        ServerLostError: the server did not take them in time, or cannot.
        FaultError: it holds others afterwards.
    """
    from safetensors.torch import save_file

    host = {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}
    with memory_directory() as directory:
        save_file(host, Path(directory) / "model.safetensors")
        asked = {"method": "reload_weights", "kwargs": {"weights_path": directory}, "timeout": deadline_s}
        client.post("/collective_rpc", asked, deadline_s=deadline_s)
    told = client.post("/weight_checker", {"action": "checksum"}, deadline_s=deadline_s)
    checksums = told.get("checksums")
    return check(checksums if isinstance(checksums, dict) else {}, host)


def check(checksums: Mapping[str, str], weights: Mapping[str, Tensor]) -> int:
    """Compare the server's checksums with ours; returns how many of its parameters were compared.

    Raises:
        FaultError: one differs, or none can be compared.
    """
    compared = 0
    hint = "see that it has the run's --dtype and no quantisation, and that nobody else gives it weights"
    for said, checksum in sorted(checksums.items()):
        name = said.rpartition(":")[2].replace(".base_layer.", ".")  # as vLLM names what may have adapters
        parts = _parts(name, weights)
        if checksum == EMPTY or not parts:
            continue
        if all(checksum != _sha256(layout) for layout in _layouts(parts)):
            raise FaultError(f"{name} is not what was sent (SHA-256 {checksum[:12]}...)", where=WHERE, hint=hint)
        compared += 1
    if not compared:
        raise FaultError("none of its parameters can be compared with those that were sent", where=WHERE, hint=hint)
    return compared


def _parts(name: str, weights: Mapping[str, Tensor]) -> list[Tensor]:
    """Our tensors behind one of the server's; empty where it is none of ours."""
    if name in weights:
        return [weights[name]]
    for joined, parts in JOINED.items():
        names = [name.replace(joined, part) for part in parts]
        if joined in name and all(part in weights for part in names):
            return [weights[part] for part in names]
    return []


def _layouts(parts: list[Tensor]) -> Iterator[Tensor]:
    """The forms in which the server may keep them."""
    whole = torch.cat(parts) if len(parts) > 1 else parts[0]
    yield whole
    if whole.ndim == 2:
        more = -len(whole) % ROWS
        yield torch.cat([whole, whole.new_zeros(more, whole.shape[1])])
        yield whole.T


def _sha256(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().view(-1).view(torch.uint8).numpy().data).hexdigest()
