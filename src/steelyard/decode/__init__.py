"""Sampling rules: what is done with a model's next-token law beyond drawing from it. The room `rollout` drives them."""

from steelyard.decode.base import DecodeRule
from steelyard.decode.cntp import CNTP

__all__ = ["CNTP", "DecodeRule"]
