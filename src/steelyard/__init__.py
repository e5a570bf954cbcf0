"""Steelyard post-trains language models off-policy, by trajectory balance with asynchrony."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard.core import SteelyardError
    from steelyard.core.job import Job
    from steelyard.recipes import load
    from steelyard.runtime import Run
    from steelyard.training import Result, resume
    from steelyard.training.pipeline import Pipeline

__version__ = "0.1.0"
__all__ = ["Result", "SteelyardError", "load", "resume", "train"]


def train(recipe: "Run | Job | Pipeline | str", *, name: str | None = None, **options: Any) -> "Result":
    """Post-train a model: `steelyard.training.train`, which also takes a recipe by its name.

    Args:
        recipe: a `Run`, a `Job`, a `Pipeline`, the name of a recipe, or a file that names one (`FILE.toml`).
        name: the recipe's name in the records, where `recipe` is no name.
        options: `reward`, `watch` and the other arguments of `steelyard.training.train`, and fields of the recipe to
            change, for example `max_steps=50`.

    Raises:
        SteelyardError: there is no such recipe, or as for `steelyard.training.train`.
    """
    from steelyard import recipes, training
    from steelyard.cli.recipe_file import is_recipe_file

    if isinstance(recipe, str) and is_recipe_file(recipe):
        from steelyard.cli.train_command import read_words

        asked = read_words([recipe])
        return training.train(asked.settings, name=name or asked.name, **{"track": asked.track, **options})
    if isinstance(recipe, str):
        return training.train(recipes.find(recipe), name=name or recipe, **options)
    return training.train(recipe, name=name or "custom", **options)


def __getattr__(name: str) -> Any:
    """What goes with `train`, imported on first use so that `import steelyard` stays light."""
    if name in __all__:
        from steelyard import core, recipes, training

        room = {"SteelyardError": core, "load": recipes}.get(name, training)
        return getattr(room, name)
    raise AttributeError(f"module 'steelyard' has no attribute {name!r}")
