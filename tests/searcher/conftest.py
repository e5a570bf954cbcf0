"""Searchers over tiny models, with a verifier and an engine of one's choice."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from steelyard.core import Episode, Prompt, Sampling, Score, Weights
from steelyard.policy import LoRA, Policy, loading
from steelyard.rollout import TransformersEngine
from steelyard.searcher import Searcher

PROMPTS = [Prompt("p0", "1+2="), Prompt("p1", "12-7=")]


class Shelf:
    """A `WeightStore` that shows what was published last."""

    def __init__(self, first: Weights) -> None:
        self.latest = first

    def publish(self, weights: Weights) -> None:
        self.latest = weights

    def newest(self) -> int:
        return self.latest.version

    def read(self) -> Weights:
        return self.latest


def length_score(episodes: Sequence[Episode]) -> list[Score]:
    return [Score(float(len(e.completion))) for e in episodes]


@pytest.fixture
def make(tiny_model_dir: Callable[[str], Path]) -> Callable[..., Searcher]:
    """`make(score, family=, engine=, lora=, dtype=, search=, ...)`: a searcher of 2 prompts and 6 tokens."""

    def make(
        score: Any = length_score,
        *,
        family: str = "llama",
        engine: Callable[[Policy, int], Any] = TransformersEngine,
        lora: LoRA | None = None,
        dtype: str = "float32",
        search: Sampling | float = 1.0,
        temperature: float = 1.0,
        **options: Any,
    ) -> Searcher:
        policy = Policy(*loading.load(str(tiny_model_dir(family)), dtype), lora)
        first = Weights.of(policy.weights(), 0)
        sampling = search if isinstance(search, Sampling) else Sampling(search, 6)
        return Searcher(
            engine(policy, 3), policy, PROMPTS, score, weights=Shelf(first), references=Shelf(first), sampling=sampling,
            temperature=temperature, **options,
        )  # fmt: skip

    return make
