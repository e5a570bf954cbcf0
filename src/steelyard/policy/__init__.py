"""The model: its log-probabilities, its words, and its weights as bytes.

A policy is any transformers causal language model whose logits are head(backbone(tokens)), which loading checks. Models
of the families of `steelyard.model.families` are read and computed without transformers. It knows nothing of
optimisers, rewards or sampling.
"""

from steelyard.policy.logp import StepLogp
from steelyard.policy.lora import LoRA
from steelyard.policy.policy import Policy

__all__ = ["LoRA", "Policy", "StepLogp"]
