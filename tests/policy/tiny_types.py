"""Tiny random models of other types than the families of conftest, each with a tokenizer of the same characters."""

from pathlib import Path
from typing import Any

import torch
import transformers

SIZES = {"vocab_size": 28, "hidden_size": 32, "num_hidden_layers": 2, "pad_token_id": 1, "bos_token_id": 2,
         "eos_token_id": 0, "initializer_range": 0.2}  # fmt: skip
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 64, "max_position_embeddings": 64}
MAMBA = {"mamba_d_state": 8, "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_n_groups": 1, "mamba_chunk_size": 8}
LINEAR = {"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
          "layer_types": ["linear_attention", "full_attention"]}  # fmt: skip
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}

RECURRENT: dict[str, dict[str, Any]] = {
    "mamba": {"state_size": 8, "time_step_rank": 4},
    "falcon_mamba": {"state_size": 8, "time_step_rank": 4},
    "mamba2": {"state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 8},
    "rwkv": {"attention_hidden_size": 32, "intermediate_size": 64, "context_length": 64},
    "qwen3_next": {**HEADS, **LINEAR, **EXPERTS, "head_dim": 8, "shared_expert_intermediate_size": 16},
    "qwen3_5_text": {**HEADS, **LINEAR, "head_dim": 8},
    "olmo_hybrid": {**HEADS, **LINEAR},
    "jamba": {**HEADS, "mamba_d_state": 8, "mamba_dt_rank": 4, "num_experts": 2, "attn_layer_period": 2,
              "attn_layer_offset": 1, "use_mamba_kernels": False},
    "bamba": {**HEADS, **MAMBA, "attn_layer_indices": [1]},
    "granitemoehybrid": {**HEADS, **MAMBA, "num_local_experts": 4, "layer_types": ["mamba", "attention"]},
    "nemotron_h": {**HEADS, "layers_block_type": ["mamba", "attention"], "head_dim": 8, "ssm_state_size": 8,
                   "mamba_num_heads": 8, "mamba_head_dim": 8, "n_groups": 1, "chunk_size": 8},
    "falcon_h1": {**HEADS, **MAMBA, "mamba_d_ssm": 64, "head_dim": 8},
    "zamba2": {**HEADS, "num_hidden_layers": 3, "layers_block_type": ["mamba", "hybrid", "mamba"],
               "n_mamba_heads": 8, "mamba_ngroups": 1, "mamba_d_state": 8, "mamba_headdim": 8, "chunk_size": 8,
               "num_mem_blocks": 1, "adapter_rank": 4},
    "lfm2": {**HEADS, "layer_types": ["conv", "full_attention"]},
    "minimax": {**HEADS, "num_local_experts": 4, "layer_types": ["linear_attention", "full_attention"]},
}  # fmt: skip
"""Type -> settings. What transformers offers of such models and this package can train."""
REFUSED: dict[str, dict[str, Any]] = {
    "gemma2": {**HEADS, "head_dim": 8},
    "cohere": HEADS,
    "recurrent_gemma": {**HEADS, "num_hidden_layers": 3, "lru_width": 32,
                        "block_types": ["recurrent", "recurrent", "attention"]},
    "xlstm": {"embedding_dim": 32, "num_heads": 4, "num_blocks": 2},
}  # fmt: skip
"""Types whose logits are soft-capped or scaled."""
TWO_RULES = {"full_attention": {"rope_type": "linear", "rope_theta": 500.0, "factor": 8.0},
             "sliding_attention": {"rope_type": "default", "rope_theta": 20.0}}  # fmt: skip
PART = {"rope_type": "default", "rope_theta": 100.0, "partial_rotary_factor": 0.5}
NATIVE: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", HEADS),
    "qwen2 with a window": ("qwen2", {**HEADS, "use_sliding_window": True, "sliding_window": 5,
                                      "max_window_layers": 1}),
    "qwen3": ("qwen3", {**HEADS, "head_dim": 6, "tie_word_embeddings": True}),
    "mistral": ("mistral", {**HEADS, "sliding_window": 5}),
    "phi3": ("phi3", HEADS),
    "phi4, part of a head": ("phi3", {**HEADS, "rope_parameters": PART, "sliding_window": 5,
                                      "tie_word_embeddings": True}),
    "smollm3": ("smollm3", {**HEADS, "no_rope_layers": [1, 0]}),
    "smollm3 with a window": ("smollm3", {**HEADS, "no_rope_layer_interval": 2, "use_sliding_window": True,
                                          "sliding_window": 5, "attention_bias": True, "mlp_bias": True}),
    "olmo2": ("olmo2", HEADS),
    "olmo3": ("olmo3", {**HEADS, "sliding_window": 5, "layer_types": ["sliding_attention", "full_attention"]}),
    "gemma3": ("gemma3_text", {**HEADS, "num_key_value_heads": 1, "head_dim": 6, "sliding_window": 5,
                               "sliding_window_pattern": 2}),
    "gemma3, stretched": ("gemma3_text", {**HEADS, "head_dim": 8, "sliding_window": 5, "sliding_window_pattern": 2,
                                          "query_pre_attn_scalar": 12, "rope_parameters": TWO_RULES}),
}  # fmt: skip
"""Type and settings of families that are read without transformers; windows are shorter than rows."""
ATTENTION: dict[str, dict[str, Any]] = {
    "mixtral": {**HEADS, "num_local_experts": 4},
    "gemma3_text": {**HEADS, "head_dim": 8, "sliding_window": 8},
    "starcoder2": {**HEADS, "sliding_window": 8},
    "opt": {**HEADS, "ffn_dim": 64, "word_embed_proj_dim": 32},
}
"""Further types that are read with a cache: experts, sliding windows, learned positions."""


def make(kind: str, settings: dict[str, Any], like: Path, directory: Path) -> Path:
    """Write a model of a type into `directory`, with the tokenizer of the model in `like`."""
    config = transformers.AutoConfig.for_model(kind, **SIZES | settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for p in net.parameters():
            if not p.isfinite().all():  # some are drawn by no rule where a kernel is missing
                p.copy_(0.1 * torch.ones_like(p))
    net.save_pretrained(directory)
    transformers.AutoTokenizer.from_pretrained(like).save_pretrained(directory)
    return directory
