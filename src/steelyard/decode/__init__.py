"""Decode rules: how tokens are chosen beyond sampling from the next-token distribution. `rollout` drives them."""

from steelyard.decode.base import DecodeRule
from steelyard.decode.cntp import CNTP

__all__ = ["CNTP", "DecodeRule"]
