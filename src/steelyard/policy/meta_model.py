"""A policy without its weights: what can be known of a model from its files, without the network.

The model is on torch's `meta` device, which has shapes and no numbers, so 7 billion parameters take no memory. It has a
parameter count, a tokenizer and a context length; it can compute nothing.
"""

from pathlib import Path
from typing import Any

import torch

from steelyard.core import SteelyardError
from steelyard.model import Mix, architecture_of
from steelyard.model.architecture import slow_reason
from steelyard.model.hf_config import OWN_TYPE
from steelyard.policy.load_checks import DTYPES
from steelyard.policy.loading import load_tokenizer, locate, quiet, require_own_attention
from steelyard.policy.lora import LoRA
from steelyard.policy.native_config import read_json
from steelyard.policy.native_loader import CONFIG, read_model
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
        SteelyardError: its config or tokenizer is damaged, no causal language model is known by that config, or the
            model cannot have that attention.
    """
    # natively where that is possible, because importing transformers takes seconds
    net = read_model(Path(place), DTYPES[dtype], empty=True, attention=attention) if lora is None else None
    if net is not None:
        return Policy(net, load_tokenizer(place))
    if attention is not None or _has_own_attention(place):
        require_own_attention(attention)
    from transformers import AutoConfig

    try:
        with quiet():
            config = AutoConfig.from_pretrained(place, trust_remote_code=False, local_files_only=True)
            net = _empty(config, DTYPES[dtype])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        hint = "give a directory that holds a whole model, as save_pretrained writes it"
        raise SteelyardError(f"no model can be planned from {place} ({reason})", where="model", hint=hint) from error
    return Policy(net, load_tokenizer(place), lora)


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
    return slow_reason(architecture)


def _has_own_attention(place: str) -> bool:
    config = read_json(Path(place) / CONFIG)
    return isinstance(config, dict) and config.get("model_type") == OWN_TYPE


def _empty(config: Any, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=False)
