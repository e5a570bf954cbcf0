"""A learner's two files in a checkpoint: learner.safetensors holds every tensor, learner.json the counts and digests.

    NAME                  policy.* the trained weights, head.* the objective's own
    master.NAME           the float32 master of NAME, where NAME has fewer bits
    adam.KEY.NAME         the optimiser's memory of NAME; absent before NAME's first gradient
    reference             the reference's bytes, where it is no longer the model that the run began with

The state of a stateful objective is in learner.json; checkpoints from before there were such, and those of a stateless
objective, have none. Digests of large weights that an earlier release made in one go are known, too.

What is read back is compared with the learner that asks, before anything of it is used.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from steelyard.core import FaultError, SteelyardError, digest_of, require, whole_digest_of
from steelyard.learner.optimizer import ADAM
from steelyard.policy import Policy, flat_parameters

TENSORS = "learner.safetensors"
FACTS = "learner.json"
MASTER = "master."
_HINT = "resume with the model and the settings that the run began with, or from another checkpoint"

Count = Annotated[int, msgspec.Meta(ge=0)]


_NO_STATE = msgspec.Raw(b"null")


class Facts(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What learner.json says."""

    steps: Count
    """Updates made."""
    version: Count
    """Names the weights."""
    digest: str
    """Of the weights."""
    start: str
    """Digest of the weights that the run began with."""
    frozen: str
    """Digest of the model's parameters that are not trained."""
    reference_version: Count
    """Version at which the reference was taken; 0 is the start."""
    reference_digest: str
    """Of the reference."""
    state: msgspec.Raw = _NO_STATE
    """The objective's state as JSON; left out for a stateless one."""


def frozen_digest(policy: Policy) -> str:
    """16 hexadecimal digits that name what is not trained: under LoRA, the model below the adapters."""
    trained = policy.trainable()
    digest = hashlib.blake2b(digest_size=8)
    for name, p in policy.model.named_parameters():
        if name not in trained:
            digest.update(p.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def named_as_masters(copies: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Master weights by their names in the file."""
    return {f"{MASTER}{name}": master for name, master in copies.items()}


def lacks_masters(directory: Path) -> bool:
    """True for a checkpoint of low-precision weights from before there were masters.

    Raises:
        SteelyardError: learner.safetensors is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(directory / TENSORS, "pt") as file:
            names = [*file.keys()]
            coarse = [n for n in names if n.startswith("policy.") and file.get_slice(n).get_dtype() in ("BF16", "F16")]
    except (OSError, SafetensorError) as error:
        raise _not_saved(directory / TENSORS, error) from error
    return bool(coarse) and not any(name.startswith(MASTER) for name in names)


def write(directory: Path, facts: Facts, tensors: Mapping[str, Tensor]) -> None:
    """Write both files.

    Raises:
        SteelyardError: there are numbers that are not finite: nothing could go on from such a checkpoint.
        FaultError: the disk does not let them be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    for name, tensor in tensors.items():
        _check_finite(name, tensor, "learner", "go on from the checkpoint before, at a lower --learning-rate")
    try:
        save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, directory / TENSORS)
        (directory / FACTS).write_bytes(msgspec.json.format(msgspec.json.encode(facts), indent=1) + b"\n")
    except (OSError, SafetensorError) as error:
        hint = "look at the disk's room and permissions"
        raise FaultError(f"cannot be written ({error})", where=str(directory), hint=hint) from error


def state_bytes(state: object) -> msgspec.Raw:
    """An objective's state as JSON; None, a stateless one's, is null.

    Raises:
        SteelyardError: it holds a number that is not finite, which JSON cannot hold.
    """
    if state is None:
        return _NO_STATE
    data = msgspec.json.encode(state)
    hint = "go on from the checkpoint before, at a lower --learning-rate"
    whole = msgspec.json.decode(data, type=type(state)) == state
    require(whole, "the objective's state holds what JSON cannot", where="learner", hint=hint)
    return msgspec.Raw(data)


T = TypeVar("T")


def state_of(facts: Facts, own: T, directory: Path) -> T:
    """The saved state of the objective, of the type of `own`, which is None for a stateless one.

    Raises:
        SteelyardError: the checkpoint has a state and the objective none, or the reverse, or it is of another type.
    """
    where = str(directory / FACTS)
    stateless = bytes(facts.state) == bytes(_NO_STATE)
    has = "no state" if stateless else "a state"
    require(stateless == (own is None), f"holds {has} of the objective", where=where, hint=_HINT)
    if stateless:
        return own
    try:
        return msgspec.json.decode(facts.state, type=type(own))
    except msgspec.DecodeError as error:
        raise SteelyardError(f"is no state of this objective ({error})", where=where, hint=_HINT) from error


def read(
    directory: Path,
    own: Facts,
    parameters: Mapping[str, Tensor],
    masters: Mapping[str, Tensor],
    num_bytes: int,
) -> tuple[Facts, dict[str, Tensor]]:
    """Read both files, on the CPU.

    Args:
        directory: the checkpoint.
        own: of a learner on the model that the run began with.
        parameters: of that learner; what is read has to fit them.
        masters: of its low-precision parameters, by their names in the file.
        num_bytes: the size of its reference.

    Raises:
        SteelyardError: a file is missing, damaged, of another model, or holds numbers that are not finite.
    """
    facts = _facts(directory / FACTS)
    tensors = _tensors(directory / TENSORS)
    own, digest = _digests_like(facts, own, parameters)
    for part in ("start", "frozen"):
        same = getattr(facts, part) == getattr(own, part)
        require(same, "the model has changed since the run began", where=str(directory / FACTS), hint=_HINT)
    needs = _expected(parameters, masters, tensors)
    if facts.reference_version:
        needs["reference"] = torch.empty(num_bytes, dtype=torch.uint8)
    for name in sorted(needs.keys() | tensors.keys()):
        _check(name, tensors.get(name), needs.get(name), directory / TENSORS)
    _check_digests(facts, own, _policy(parameters, tensors), tensors, digest, directory / TENSORS)
    _check_masters(tensors, directory / TENSORS)
    return facts, tensors


def _expected(
    parameters: Mapping[str, Tensor], masters: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """What the file must hold: every parameter, all masters or none, and all of Adam's memory of what it has any of."""
    present = masters if masters.keys() & found.keys() else {}
    fitting = {**parameters, **present}
    for name, p in parameters.items():
        if any(f"adam.{key}.{name}" in found for key in ADAM):
            updated = present.get(f"{MASTER}{name}", p)
            fitting |= {f"adam.{key}.{name}": torch.zeros(()) if key == "step" else updated for key in ADAM}
    return fitting


def _check(name: str, found: Tensor | None, fitting: Tensor | None, path: Path) -> None:
    has = _kind(found)
    needs = _kind(fitting)
    require(has == needs, f"{name} is {has} here and {needs} in this learner", where=str(path), hint=_HINT)
    assert found is not None
    _check_finite(name, found, str(path), _HINT)


def _check_finite(name: str, tensor: Tensor, where: str, hint: str) -> None:
    finite = not tensor.is_floating_point() or bool(tensor.isfinite().all())
    require(finite, f"{name} holds numbers that are not finite", where=where, hint=hint)


Digest = Callable[[UInt8[np.ndarray, "B"]], str]


def _digests_like(facts: Facts, own: Facts, parameters: Mapping[str, Tensor]) -> tuple[Facts, Digest]:
    """`own` with digests made as the file's were, and how that is: as today, or by an earlier release."""
    if facts.start != own.start:
        start = whole_digest_of(_policy(parameters, parameters))
        if facts.start == start:
            return msgspec.structs.replace(own, start=start, reference_digest=start), whole_digest_of
    return own, digest_of


def _policy(parameters: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> UInt8[np.ndarray, "B"]:
    """The policy's part of some values, flat, in the order of the learner's parameters."""
    return flat_parameters.read([values[name] for name in parameters if name.startswith("policy.")])


def _check_digests(
    facts: Facts,
    own: Facts,
    policy: UInt8[np.ndarray, "B"],
    tensors: Mapping[str, Tensor],
    digest: Digest,
    path: Path,
) -> None:
    weights = digest(policy)
    reference = digest(tensors["reference"].numpy()) if facts.reference_version else own.reference_digest
    for name, found, said in (("weights", weights, facts.digest), ("reference", reference, facts.reference_digest)):
        require(found == said, f"{name} with digest {found} in place of {said}", where=str(path), hint=_HINT)


def _check_masters(tensors: Mapping[str, Tensor], path: Path) -> None:
    for name, master in tensors.items():
        if name.startswith(MASTER):
            weight = tensors[name.removeprefix(MASTER)]
            rounds = torch.equal(master.to(weight.dtype), weight)
            require(rounds, f"{name} does not round to its weight", where=str(path), hint=_HINT)


def _kind(tensor: Tensor | None) -> str:
    return "absent" if tensor is None else f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _facts(path: Path) -> Facts:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Facts)
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise _not_saved(path, error) from error


def _tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise _not_saved(path, error) from error


def _not_saved(path: Path, error: Exception) -> SteelyardError:
    return SteelyardError(f"is not what a learner saved ({error})", where=str(path), hint=_HINT)
