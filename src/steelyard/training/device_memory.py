"""Where each part of a run computes, and estimates how much memory of a GPU that takes.

    learner    N b + M (gradient) + 8 bytes a trained parameter (Adam) + 8 more for one of fewer than 32 bits (float32
               master and gradient) + 2 M (other weights that are wanted again) + activations + 2 blocks of logits
    searcher   N b + N b (the engine's own layout) + 2 M + keys and values + one row of logits for each completion
    evaluator  the same as one searcher
    published  2 M for the learner and 2 M for each searcher, with --local.weights device
    beside     the weights of reward model, victim and judge, in every process that loads them (--models-device)

    activations    b S L (8 D + 2 A + 3 I);  with gradient checkpointing b S (L D + 8 D + 2 A + 3 I)
    keys, values   2 b L K rows (longest prompt + longest completion)

N parameters of b bytes, M bytes of trained parameters; S tokens of a micro-batch (--micro-tokens), L layers, D hidden
size, A width of queries, keys and values together, I inner size, K width of keys. Each process also takes about half a
gigabyte of a GPU for itself, which is counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from steelyard.core.json import JsonObject
from steelyard.policy import Policy
from steelyard.policy.device import device_of, free_bytes
from steelyard.policy.logp import logits_bytes
from steelyard.policy.master_weights import num_copied
from steelyard.runtime import Run
from steelyard.runtime.run import Part
from steelyard.training.memory_estimate import copies_of
from steelyard.training.preflight import auxiliary_models

ROWS = 256
"""Completions that an engine generates together at most."""
PROCESS = 2**29
"""Bytes of a GPU that torch takes for each process."""
PARTS: Mapping[Part, str] = {"learner": "learner", "search": "searchers", "evaluation": "evaluator"}


@dataclass(frozen=True)
class Sizes:
    """The widths of a model, as its config says them."""

    layers: int
    hidden: int
    inner: int
    heads: int
    """Width of queries, keys and values together."""
    keys: int
    """Width of the keys."""

    @classmethod
    def of(cls, policy: Policy) -> "Sizes":
        """From the architecture, or for other models from the names that transformers' configs share."""
        a = policy.architecture
        if a is not None:
            keys = a.num_kv_heads * a.head_dim
            heads = a.num_heads * a.head_dim + 2 * keys
            return cls(a.num_layers, a.hidden_size, a.intermediate_size, heads, keys)
        config: Any = policy.model.config
        text = config.get_text_config()
        hidden = policy.hidden_size
        inner = getattr(text, "intermediate_size", None) or 4 * hidden
        return cls(text.num_hidden_layers, hidden, inner, 3 * hidden, hidden)


def placement(run: Run, policy: Policy) -> dict[Part, torch.device]:
    """The device of each part.

    Raises:
        SteelyardError: torch sees no such GPU.
    """
    number = policy.num_parameters(trainable=False)
    found: dict[Part, torch.device] = {}
    for part in PARTS:
        name, flag = run.placed(part)
        found[part] = device_of(name, number, flag)
    if run.runtime == "inline":
        found["evaluation"] = found["search"]
    return found


def describe_devices(
    run: Run, policy: Policy, longest: int, model_bytes: Mapping[str, int] | None = None
) -> JsonObject:
    """The device of each part, and for each GPU what is taken of it and what is free (bytes).

    Args:
        run: the settings.
        policy: the model, with or without weights.
        longest: tokens of the longest prompt.
        model_bytes: role of an auxiliary model -> bytes of its weights.

    Raises:
        SteelyardError: torch sees no such GPU.
    """
    placed = placement(run, policy)
    models = auxiliary_models(run)
    sizes = model_bytes or {}
    beside = {role: models[role].computes_on(size) for role, size in sizes.items()}
    gpus = {str(device): device for device in [*placed.values(), *beside.values()] if device.type != "cpu"}
    taken = {PARTS[part]: (str(device), _bytes_of(part, run, policy, longest)) for part, device in placed.items()}
    taken |= {role: (str(beside[role]), {"weights": copies_of(run, role) * size}) for role, size in sizes.items()}
    rows = {
        name: {
            "parts": {part: held for part, (place, held) in taken.items() if place == name and held},
            "total": sum(sum(held.values()) for place, held in taken.values() if place == name),
            "free": free_bytes(device),
        }
        for name, device in gpus.items()
    }
    return {"placement": {PARTS[part]: str(device) for part, device in placed.items()}, "gpus": rows}


def _bytes_of(part: Part, run: Run, policy: Policy, longest: int) -> dict[str, int]:
    if part == "learner":
        return learner_bytes(run, policy) | _published(run, policy)
    apart = run.runtime != "inline"
    if part == "evaluation" and not apart:
        return {}  # it is the searcher's policy
    copies = run.num_searchers if part == "search" and apart else 1
    published = _published(run, policy) if part == "search" else {}
    return {name: copies * size for name, size in (engine_bytes(run, policy, longest) | published).items()}


def _published(run: Run, policy: Policy) -> dict[str, int]:
    """Weights on their way through the device: the learner's two slots, or the copies that a searcher took last."""
    return {} if run.local.weights == "host" else {"published": 2 * policy.num_bytes}


def learner_bytes(run: Run, policy: Policy) -> dict[str, int]:
    """Bytes of the learner by what they hold; see the module's equations."""
    trained = policy.num_bytes
    copied = num_copied(policy.trainable().values())
    size = policy.dtype.itemsize
    s = Sizes.of(policy)
    layer = 8 * s.hidden + 2 * s.heads + 3 * s.inner
    kept = s.layers * s.hidden + layer if run.learner.gradient_checkpointing else s.layers * layer
    return {
        "process": PROCESS,
        "weights": _whole(policy),
        "gradient": trained + 4 * copied,
        "float32_master": 4 * copied,
        "adam": 8 * policy.num_parameters(),
        "other_weights": 2 * trained,
        "activations": size * run.micro_tokens * kept,
        "logits": logits_bytes(run.micro_tokens, policy.vocab_size, torch.device("cuda")),
    }


def engine_bytes(run: Run, policy: Policy, longest: int) -> dict[str, int]:
    """Bytes of a searcher, or of the evaluator, by what they hold; see the module's equations."""
    s = Sizes.of(policy)
    rows = min(ROWS, run.search_prompts * run.samples_searched)
    tokens = longest + run.max_completion_length
    native = policy.architecture is not None
    return {
        "process": PROCESS,
        "weights": _whole(policy) * (2 if native else 1),
        "other_weights": 2 * policy.num_bytes,
        "keys_and_values": 2 * policy.dtype.itemsize * s.layers * s.keys * rows * tokens,
        "logits": (4 + 4 + 8) * rows * policy.vocab_size,
    }


def _whole(policy: Policy) -> int:
    return sum(p.numel() * p.element_size() for p in policy.model.parameters())
