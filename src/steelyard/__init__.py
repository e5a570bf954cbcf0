"""Steelyard post-trains language models off-policy, by trajectory balance with asynchrony."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["train"]


def __getattr__(name: str) -> Any:
    """`steelyard.train`, imported on first use so that `import steelyard` stays light."""
    if name == "train":
        from steelyard.recipes import train

        return train
    raise AttributeError(f"module 'steelyard' has no attribute {name!r}")
