"""A policy without its weights: what can be known of a model from the files beside them, without the network.

The model lies on torch's `meta` device, which has shapes and no numbers, so 7 billion parameters take no memory. It
answers how many there are, what the tokenizer makes of a prompt and how long the context is; it can compute nothing.
"""

from pathlib import Path
from typing import Any

import torch

from steelyard.core import SteelyardError
from steelyard.policy.loading import DTYPES, load_tokenizer, locate, quiet
from steelyard.policy.lora import LoRA
from steelyard.policy.policy import Policy


def kept(model: str) -> str | None:
    """The directory of a model that is on this machine: its own, the package's, or the hub's cache. None elsewhere.

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


def skeleton(place: str, *, lora: LoRA | None = None, dtype: str = "float32") -> Policy:
    """The policy in a directory, without its weights.

    Args:
        place: the directory.
        lora: train low-rank adapters instead of all parameters.
        dtype: number format of the model's own weights.

    Raises:
        SteelyardError: its config or tokenizer is damaged, or no causal language model is known by that config.
    """
    from transformers import AutoConfig

    try:
        with quiet():
            config = AutoConfig.from_pretrained(place, trust_remote_code=False, local_files_only=True)
            net = _empty(config, DTYPES[dtype])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        hint = "give a directory that holds a whole model, as save_pretrained writes it"
        raise SteelyardError(f"no model can be planned from {place} ({said})", where="model", hint=hint) from error
    return Policy(net, load_tokenizer(place), lora)


def _empty(config: Any, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, dtype=dtype, trust_remote_code=False)
