"""What must be true of a model's files and weights before anything uses them.

Files may be hostile or damaged. Whatever they ask for beyond an architecture and its weights is refused, and so are
weights that do not fit, are missing or are not finite.
"""

import json
from pathlib import Path
from typing import Any

import torch

from steelyard.core import SteelyardError, require, suggest
from steelyard.core.json import JsonMapping
from steelyard.policy.native_loader import INDEX

ATTENTION = (None, "eager", "sdpa")
"""Implementations that config.json may name; others can fetch code from the hub."""
WRITERS = ("ForCausalLM", "LMHeadModel")
"""Endings of class names of language models; a name may be an older one than the class that reads it."""
MOVES = ("View", "UnsafeView", "Slice", "ToCopy", "Alias", "Reshape", "Unsqueeze", "Squeeze", "Clone", "Contiguous")
"""Beginnings of the names of gradients that change no number."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def check_dtype(dtype: str) -> None:
    """Refuse a number format that is not in `DTYPES`."""
    require(dtype in DTYPES, f"unknown dtype {dtype!r}", where="dtype", hint=suggest(dtype, DTYPES))


def check_config(config: Any, model: str) -> None:
    """Refuse a config.json that asks for more than an architecture."""
    attention = config._attn_implementation
    hint = "take its key attn_implementation out of config.json"
    require(
        attention in ATTENTION,
        f"{model} asks for the attention {attention!r}, which may be code from the hub",
        where="model",
        hint=hint,
    )
    require(
        getattr(config, "quantization_config", None) is None,
        f"{model} is quantised",
        where="model",
        hint="take the model in float32, bfloat16 or float16",
    )


def check_shards(place: str, local: bool, model: str) -> None:
    """Refuse an index that names anything but safetensors files in the model's own directory."""
    from transformers.utils.hub import cached_file

    index = cached_file(
        place,
        INDEX,
        local_files_only=local,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if index is None:
        return
    for name in set(json.loads(Path(index).read_text(encoding="utf-8"))["weight_map"].values()):
        plain = name == Path(name).name and name.endswith(".safetensors")
        require(plain, f"{INDEX} of {model} names {name!r}", where="model", hint="save the model again, as safetensors")


def check_report(report: JsonMapping, model: str) -> None:
    """Refuse weights that do not match the config: transformers would draw the missing ones at random."""
    for name, found, expected in sorted(report["mismatched_keys"]):
        what = f"{name} of {model} is {[*found]}, and its config.json says {[*expected]}"
        raise SteelyardError(what, where="model", hint="save weights and config.json again, together")
    missing = sorted(report["missing_keys"])
    require(
        not missing,
        f"{model} lacks {len(missing)} of its weights, such as {''.join(missing[:1])}",
        where="model",
        hint="save the model again, whole",
    )


def check_finite(net: torch.nn.Module, model: str) -> None:
    """Refuse weights that are infinite or not a number."""
    for name, weight in net.named_parameters():
        finite = weight.is_meta or bool(weight.isfinite().all())
        require(
            finite,
            f"{name} of {model} holds numbers that are not finite",
            where="model",
            hint="take an earlier checkpoint of it",
        )


def check_vocabulary(net: Any, tokenizer: Any, model: str) -> None:
    """Refuse a tokenizer with no tokens, or with ids that have no embedding."""
    vocabulary = tokenizer.get_vocab()
    require(bool(vocabulary), f"{model} has an empty tokenizer", where="model", hint="save its tokenizer beside it")
    highest = max(vocabulary.values())
    rows = net.get_input_embeddings().weight.shape[0]
    require(
        highest < rows,
        f"the tokenizer of {model} has ids up to {highest}, but the model only {rows} embeddings",
        where="model",
        hint="save the tokenizer that the model was trained with",
    )


def check_writer(net: Any, model: str) -> None:
    """Refuse files of another kind of network that transformers would read as a language model all the same."""
    named = net.config.architectures or [type(net).__name__]
    writes = type(net).__name__ in named or any(name.endswith(WRITERS) for name in named)
    require(
        writes,
        f"{model} holds a {named[0]}, which does not write text from left to right",
        where="model",
        hint="name a causal language model, as Llama, Qwen3, GPT-2, GPT-NeoX",
    )


def check_empty_head(net: Any, model: str) -> None:
    """`check_head` without numbers: what happens to the head's output is read off the graph of its gradient.

    A model that cannot be run without numbers passes here; `check_head` looks at it when its weights are there.
    """
    ends: dict[str, torch.Tensor] = {}

    def leaf(_: object, inputs: tuple[torch.Tensor, ...], logits: torch.Tensor) -> torch.Tensor:
        ends["read"] = inputs[0]
        ends["made"] = torch.zeros_like(logits).requires_grad_()
        return ends["made"]

    def note(_: object, __: object, output: Any) -> None:
        ends["hidden"] = output[0]

    head = net.get_output_embeddings()
    if head is None or net.base_model is net:
        raise _not_plain(model)
    try:
        with torch.enable_grad(), head.register_forward_hook(leaf), net.base_model.register_forward_hook(note):
            logits = run_empty(net)
    except (RuntimeError, NotImplementedError, TypeError):  # it asks for a number, or for more than tokens
        return
    plain = "made" in ends and _only_moved(logits, ends["made"])
    if not plain or ("hidden" in ends and not _only_moved(ends["read"], ends["hidden"])):
        raise _not_plain(model)


def run_empty(net: Any) -> torch.Tensor:
    """Logits of a model without numbers: their shape, and the graph of their gradient.

    Raises:
        RuntimeError, NotImplementedError, TypeError: the model asks for a number on the way, or for more than tokens.
    """
    net.set_attn_implementation("eager")  # others look into the mask
    tokens = torch.zeros(1, 4, dtype=torch.long, device="meta")
    return net(input_ids=tokens, attention_mask=torch.ones_like(tokens), use_cache=False).logits


def _only_moved(found: torch.Tensor, source: torch.Tensor) -> bool:
    """True where `found` has the numbers of `source`, perhaps in another shape or number format."""
    node = found.grad_fn
    while found is not source and node is not source.grad_fn and node is not None:
        name = type(node).__name__
        if name == "AccumulateGrad":
            return True
        scale = getattr(node, "_saved_other", None)
        by_one = name in ("MulBackward0", "DivBackward0") and scale is not None and float(scale) == 1
        if not by_one and not name.startswith(MOVES):
            return False
        node = node.next_functions[0][0]
    return True


def _not_plain(model: str) -> SteelyardError:
    return SteelyardError(
        f"logits of {model} are not head(backbone(tokens)) (soft-capped or scaled?)",
        where="model",
        hint="take a model with a plain linear head, as Llama, Qwen3, GPT-2, GPT-NeoX",
    )


@torch.no_grad()
def check_causal(net: Any, model: str) -> None:
    """Refuse a model in which an earlier token hears of a later one: what it writes could not be trained."""
    tokens = torch.zeros(2, 6, dtype=torch.long)
    tokens[1, -1] = 1
    hidden = net.base_model(input_ids=tokens, use_cache=False)[0][:, :-1].float()
    require(
        torch.allclose(hidden[0], hidden[1], rtol=1e-2, atol=1e-2 * float(hidden.std())),
        f"in {model} earlier tokens depend on later ones: it does not write text from left to right",
        where="model",
        hint="name a causal language model, as Llama, Qwen3, GPT-2, GPT-NeoX",
    )


@torch.no_grad()
def check_head(net: Any, model: str) -> None:
    """Refuse models whose logits are not exactly head(backbone(tokens)), such as soft-capped or scaled ones.

    The head's output is replaced by a steep ramp, because a soft cap hardly changes small logits.
    """
    backbone = net.base_model
    head = net.get_output_embeddings()
    tokens = torch.zeros(1, 4, dtype=torch.long)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def ramp(_: object, inputs: tuple[torch.Tensor, ...], logits: torch.Tensor) -> torch.Tensor:
        steep = torch.linspace(-100, 100, logits.numel(), dtype=logits.dtype).view_as(logits)
        seen.append((inputs[0], steep))
        return steep

    if head is not None and backbone is not net:
        with head.register_forward_hook(ramp):
            logits = net(input_ids=tokens, use_cache=False).logits
        hidden = backbone(input_ids=tokens, use_cache=False)[0]
        if len(seen) == 1 and torch.equal(logits.float(), seen[0][1].float()) and torch.equal(hidden, seen[0][0]):
            return
    raise _not_plain(model)
