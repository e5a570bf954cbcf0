"""What the stages of a pipeline make, and how a later stage names it.

    model      a policy, in STAGE/model
    reward     a reward model, in STAGE/model; as a reward its name is reward-model:STAGE
    guard      a guard, in STAGE/model; as a reward its name is guard:STAGE
    records    rows that a builder made, in STAGE/data/records.jsonl

A job says by its attribute `makes` which of them it makes; one without makes a model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from steelyard.core import require
from steelyard.core.job import product_of
from steelyard.runtime import Run

Kind = Literal["model", "reward", "guard", "records"]
KINDS: Sequence[Kind] = get_args(Kind)
REWARDS: Mapping[str, str] = {"reward": "reward-model", "guard": "guard"}
"""Kind -> the word before the run's name where it is named as a reward."""
RECORDS = "records.jsonl"
STAND_IN = f"{__name__}:nothing"
"""The reward in whose place a plan puts one that is not there yet."""


@dataclass(frozen=True)
class Product:
    """What an earlier stage makes, or the model that the pipeline's user names."""

    kind: Kind
    stage: str = ""
    """The stage's name; empty for the user's model."""
    as_reward: bool = False
    """Name it as a reward, reward-model:RUN or guard:RUN, and not by its directory."""

    def __post_init__(self) -> None:
        mine = bool(self.stage) or self.kind == "model"
        require(mine, f"a {self.kind} is named without a stage", where="pipeline", hint="name the stage that makes it")
        named = not self.as_reward or self.kind in REWARDS
        require(named, f"a {self.kind} is no reward", where="pipeline", hint=f"name {' or '.join(REWARDS)}")

    def stand_in(self, model: str) -> str:
        """What a plan puts in its place, since it is not there yet: the user's model, or a reward of nothing."""
        return STAND_IN if self.as_reward else model


Used = Product | tuple[Product, ...]
"""What a setting is filled with."""


def model_of(stage: str) -> Product:
    """The model of a stage."""
    return Product("model", stage)


GIVEN = Product("model")
"""The model that the pipeline's user names."""


def kind_of(settings: Any) -> Kind:
    """What a stage's settings make.

    Raises:
        SteelyardError: they say what is none of the kinds.
    """
    kind: Any = "model" if isinstance(settings, Run) else getattr(settings, "makes", "model")
    what = f"makes {kind!r}"
    require(kind in KINDS, what, where=type(settings).__name__, hint=f"say one of {', '.join(KINDS)}")
    return kind


def product_path(settings: Any) -> str:
    """Where a run has what its settings make, from its directory."""
    made = "model" if isinstance(settings, Run) else product_of(settings)
    return f"{made}/{RECORDS}" if kind_of(settings) == "records" else made


def value_of(product: Product, run: Path, path: str) -> str:
    """How a setting names a product.

    Args:
        product: which.
        run: the run directory of its stage.
        path: where in it the product is, by `product_path`.
    """
    return f"{REWARDS[product.kind]}:{run}" if product.as_reward else str(run / path)


def each(used: Used) -> tuple[Product, ...]:
    """The products of a setting."""
    return used if isinstance(used, tuple) else (used,)


def nothing(prompts: Sequence[object], completions: Sequence[str], **columns: Sequence[object]) -> list[float]:
    """0 for each completion: the reward of a plan whose reward model or guard an earlier stage is to make."""
    return [0.0] * len(completions)
