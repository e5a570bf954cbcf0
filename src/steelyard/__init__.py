"""Steelyard post-trains language models off-policy, by trajectory balance with asynchrony."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard.recipes import Result, load, resume, train

__version__ = "0.1.0"
__all__ = ["Result", "load", "resume", "train"]


def __getattr__(name: str) -> Any:
    """`train` and what goes with it, imported on first use so that `import steelyard` stays light."""
    if name in __all__:
        from steelyard import recipes

        return getattr(recipes, name)
    raise AttributeError(f"module 'steelyard' has no attribute {name!r}")
