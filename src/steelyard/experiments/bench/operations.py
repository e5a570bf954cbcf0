"""Multiply-adds that generation executes, by Llama-like decoders: what is held against the processor's limit.

    linear  = D (Q + 2 K) + Q D + 3 D M                  one token through the linear layers of one layer
    keys    = number of (query, key) pairs               each costs Q for the score and Q for the value
    total   = layers (tokens linear + 2 Q keys) + drawn V D

D hidden size, M inner size, Q = heads x head_dim, K = key heads x head_dim, V vocabulary. A prompt of L tokens that is
read costs L tokens, L (L + 1) / 2 pairs (a causal half) and one look at the head. A completion of n tokens is drawn
from that and n - 1 tokens fed back, the t-th of which sees L + t keys. Norms, rotations and softmax are not counted.
"""

from collections.abc import Iterable

from steelyard.model import Architecture


def linear_macs(a: Architecture) -> int:
    """Multiply-adds of one token in the linear layers of all layers."""
    D = a.hidden_size
    M = a.intermediate_size
    Q = a.num_heads * a.head_dim
    K = a.num_kv_heads * a.head_dim
    return a.num_layers * (D * (Q + 2 * K) + Q * D + 3 * D * M)


def generation_macs(a: Architecture, prompts: Iterable[int], completions: Iterable[tuple[int, int]]) -> int:
    """Multiply-adds of a generation; see the module's equation.

    Args:
        a: the model's sizes.
        prompts: lengths of the prompts that were read; one that several samples share counts once if it was read once.
        completions: length of the prompt, and tokens drawn, of each row.
    """
    tokens = keys = drawn = 0
    for length in prompts:
        tokens = tokens + length
        keys = keys + length * (length + 1) // 2
        drawn = drawn + 1
    for length, new in completions:
        fed = new - 1
        tokens = tokens + fed
        keys = keys + fed * length + fed * (fed + 1) // 2
        drawn = drawn + fed
    pairs = 2 * a.num_layers * a.num_heads * a.head_dim
    return tokens * linear_macs(a) + keys * pairs + drawn * a.vocab_size * a.hidden_size
