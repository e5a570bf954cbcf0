"""A Llama with wider attention heads that computes the same: `steelyard build-base wide-heads`.

vLLM's attention on a processor names heads of 32, 64, 80, ... numbers as supported; those of the arithmetic model have
24. It also keeps an old output head where that is the embedding, so the two are parted here.

    q, k:   the pair of numbers that RoPE turns, (i, i + d/2), becomes (i, i + D/2); what lies between is 0
    base:   b^(D/d), so that pair i turns as fast as before: (b^(D/d))^(-2i/D) = b^(-2i/d)
    scale:  q times sqrt(D/d), since attention then divides by sqrt(D) and not by sqrt(d)
    v, o:   zeros behind each head
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from steelyard.core import PositiveInt, checked, require
from steelyard.policy import Policy
from steelyard.policy.loading import load
from steelyard.runtime.run_dir.records import check_output
from steelyard.worlds.bases.new_model import save_new


@checked()
@dataclass(frozen=True)
class WideHeads:
    """Give a Llama wider attention heads with zeros in them, for engines that know some widths only; seconds."""

    model: str = "steelyard/arithmetic"
    """The model: one of ours, or a directory."""
    head_dim: PositiveInt = 32
    """Numbers of a head, more than it has."""
    output_dir: str = "runs/build-base-wide-heads"
    """Where the model is written."""

    def __call__(self) -> Mapping[str, object]:
        """Widen, compare and save; returns how far log-probabilities are apart.

        Raises:
            SteelyardError: the output directory is not empty, or the model is no Llama with narrower heads.
        """
        directory = Path(self.output_dir)
        check_output(directory)
        policy = Policy(*load(self.model, "float32"))
        wide = widened(policy, self.head_dim)
        tokens_NT = torch.arange(policy.context_length).remainder(policy.vocab_size)[None]
        apart = (policy.next_logp(tokens_NT) - wide.next_logp(tokens_NT)).abs().max().item()
        save_new(wide, directory)
        print(f"model: {directory}; its log-probabilities differ by at most {apart:.1e}")
        return {"model": str(directory), "apart": apart}


def widened(policy: Policy, width: int) -> Policy:
    """The same function with heads of `width` numbers.

    Raises:
        SteelyardError: it is no Llama, or its heads are as wide already.
    """
    import transformers

    old = policy.model.config
    require(old.model_type == "llama", f"is a {old.model_type}", where="--model", hint="name a Llama")
    fits = width > old.head_dim and width % 2 == 0
    require(fits, f"is {width}", where="--head-dim", hint=f"use an even number above {old.head_dim}")
    rope = dict(old.rope_parameters)
    plain = rope.get("rope_type", "default") == "default"
    require(plain, "has scaled positions", where="--model", hint="name a Llama with plain RoPE")
    rope["rope_theta"] = rope["rope_theta"] ** (width / old.head_dim)
    # A head of its own: on a processor vLLM does not give new weights to one that is the embedding.
    new = {"head_dim": width, "rope_parameters": rope, "tie_word_embeddings": False}
    config = transformers.LlamaConfig(**old.to_dict() | new)
    model = transformers.LlamaForCausalLM(config)
    model.load_state_dict({name: _wide(name, w, old, width) for name, w in policy.model.state_dict().items()})
    model.generation_config = policy.model.generation_config
    return Policy(model, policy.tokenizer)


def _wide(name: str, weight: Tensor, old: Any, width: int) -> Tensor:
    """A parameter of the wider model."""
    heads, shared = old.num_attention_heads, old.num_key_value_heads
    match name.split(".")[-2]:
        case "q_proj":
            return _spread(weight, heads, width, halves=2) * (width / old.head_dim) ** 0.5
        case "k_proj":
            return _spread(weight, shared, width, halves=2)
        case "v_proj":
            return _spread(weight, shared, width, halves=1)
        case "o_proj":
            return _spread(weight.T, heads, width, halves=1).T.contiguous()
    return weight


def _spread(rows: Tensor, heads: int, width: int, *, halves: int) -> Tensor:
    """Rows of heads, with zeros behind each of their halves, or behind them."""
    narrow = rows.reshape(heads * halves, -1, rows.shape[1])
    zeros = narrow.new_zeros(len(narrow), width // halves - narrow.shape[1], narrow.shape[2])
    return torch.cat([narrow, zeros], dim=1).reshape(heads * width, -1)
