"""A policy without its weights: what can be known of a model from its files, without the network.

The model is on torch's `meta` device, which has shapes and no numbers, so 7 billion parameters take no memory. It has a
parameter count, a tokenizer and a context length; it can compute nothing.
"""

from contextlib import suppress
from pathlib import Path

from steelyard.core import SteelyardError
from steelyard.core.json import JsonObject
from steelyard.model import Mix, architecture_of
from steelyard.policy.generation_cost import slow_reason
from steelyard.policy.load_checks import run_empty
from steelyard.policy.loading import load, locate, read, require_own_attention
from steelyard.policy.lora import LoRA, check_reached
from steelyard.policy.native_config import read_json
from steelyard.policy.native_loader import CONFIG
from steelyard.policy.policy import Policy


def local_directory(model: str) -> str | None:
    """The directory of a model on this machine: own, shipped, or in the hub's cache; None if there is none.

    Raises:
        SteelyardError: as for `locate`.
    """
    place, local = locate(model)
    if local:
        return place
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        found = snapshot_download(model, local_files_only=True)
    except HFValidationError as error:
        what = f"{model!r} is neither a directory nor a hub id"
        hint = "write OWNER/NAME, or a directory"
        raise SteelyardError(what, where="model", hint=hint) from error
    except (LocalEntryNotFoundError, HfHubHTTPError):
        return None
    whole = (Path(found) / "config.json").is_file() and any(Path(found).glob("*.safetensors"))
    return found if whole else None


def meta_policy(
    place: str, *, lora: LoRA | None = None, dtype: str = "float32", attention: Mix | None = None
) -> Policy:
    """The policy in a directory, without its weights.

    Args:
        place: the directory.
        lora: train low-rank adapters instead of all parameters.
        dtype: number format of the model's own weights.
        attention: the variant of every layer, in place of the model's own.

    Raises:
        SteelyardError: its files are damaged, do not fit each other, are not those of a causal language model, or the
            model cannot have that attention or those adapters.
    """
    if lora is None:
        return Policy(*read(place, dtype, empty=True, attention=attention))
    require_own_attention(attention)
    policy = Policy(*load(place, dtype, empty=True), lora)
    with suppress(RuntimeError, NotImplementedError, TypeError):  # of a model that cannot be run without numbers
        check_reached(policy.model, run_empty)
    return policy


def slow_generation(model: str, attention: Mix | None) -> str | None:
    """Why a model generates by the slower engine, by its config alone; None where it does not or is not here yet.

    Args:
        model: a directory, a shipped name or a hub id.
        attention: the variant of every layer, in place of the model's own.
    """
    place = local_directory(model)
    config = None if place is None else read_json(Path(place) / CONFIG)
    if not isinstance(config, dict):
        return None
    architecture = architecture_of(config)
    if architecture is not None and attention is not None:
        architecture = architecture.with_attention(attention)
    return slow_reason(architecture, config)


def told_of(model: str, here: bool) -> JsonObject:
    """What a plan says of a model: its name, and where it is not on this machine, that a run would fetch it.

    >>> told_of("org/name", here=False)
    {'model': 'org/name', 'fetches': 'org/name'}
    """
    return {"model": model} | ({} if here else {"fetches": model})
