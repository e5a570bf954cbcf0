"""Adapters alone, as a directory in peft's layout: what `PeftModel.from_pretrained(base, directory)` reads.

adapter_config.json         rank, scale, targets, and the model that they belong to
adapter_model.safetensors   base_model.model.NAME.lora_A.weight, ..., float32
"""

import copy
from pathlib import Path
from typing import Any

NAME = "adapter"
"""The directory beside a merged model."""
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
_ADAPTER = "default"
_PREFIX = "base_model.model."


def write_adapters(adapted: Any, directory: Path) -> None:
    """Write the adapters of a model, without the model.

    Args:
        adapted: peft's tuner around the model, as `adapt` returns it.
        directory: where to; made if absent.
    """
    from peft import LoraConfig, TaskType
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    config: LoraConfig = copy.copy(adapted.peft_config[_ADAPTER])
    config.base_model_name_or_path = _place(adapted.model)
    config.task_type = TaskType.CAUSAL_LM
    config.inference_mode = True
    if not isinstance(config.target_modules, str | None):
        config.target_modules = sorted(config.target_modules)  # pyright: ignore[reportAttributeAccessIssue]  a set has no order
    config.save_pretrained(str(directory))
    trained = {name: p for name, p in adapted.model.named_parameters() if p.requires_grad}
    tensors = {_key(name): p.detach().cpu().contiguous() for name, p in sorted(trained.items())}
    save_file(tensors, directory / WEIGHTS, {"format": "pt"})


def _key(name: str) -> str:
    """A parameter's name in the file: peft leaves out the adapter's own name, which stands inside ours."""
    return _PREFIX + ".".join(part for part in name.split(".") if part != _ADAPTER)


def _place(model: Any) -> str:
    """The model below the adapters: a directory by its whole path, or a hub id."""
    place = Path(model.name_or_path)
    return str(place.resolve()) if place.is_dir() else model.name_or_path
