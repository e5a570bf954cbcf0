"""The worker's side of `gym.py`, which loads this file by its path: reasoning-gym in a child process.

It runs there because several verifiers evaluate text that the model wrote, and because some data sets depend on the
process: on string hashes, which workers fix, or on the global random state, which is set here for each item.
"""

import dataclasses
import functools
import json
import random
from typing import Any

import reasoning_gym
from reasoning_gym.factory import DATASETS


@functools.lru_cache(maxsize=1)
def _make(dataset: str, size: int, seed: int, config: str) -> Any:
    return reasoning_gym.create_dataset(dataset, size=size, seed=seed, **json.loads(config))


@functools.lru_cache(maxsize=4096)
def _entry(dataset: str, size: int, seed: int, config: str, index: int) -> dict[str, Any]:
    made = _make(dataset, size, seed, config)
    random.seed(f"{seed}/{index}")
    return made[index]


def known() -> list[str]:
    """The names of all data sets."""
    return sorted(DATASETS)


def parameters(dataset: str) -> list[str]:
    """The parameters that the `config` of a data set may set."""
    return [f.name for f in dataclasses.fields(DATASETS[dataset][1]) if f.name not in ("size", "seed")]


def items(dataset: str, size: int, seed: int, config: str) -> list[dict[str, Any] | None]:
    """Each item's question, answer and bare expression; None for one that raises or has no answer."""
    _make(dataset, size, seed, config)
    return [_item(dataset, size, seed, config, index) for index in range(size)]


def _item(dataset: str, size: int, seed: int, config: str, index: int) -> dict[str, Any] | None:
    try:
        entry = _entry(dataset, size, seed, config, index)
    except MemoryError:  # a fault of the machine: leaving the item out would change the data set
        raise
    except Exception:  # noqa: BLE001  generators raise arbitrary errors at some indices; they are counted
        return None
    if entry["answer"] is None:
        return None
    expression = entry.get("metadata", {}).get("expression")
    return {
        "index": index,
        "question": str(entry["question"]),
        "answer": str(entry["answer"]),
        "expression": expression if isinstance(expression, str) else None,
    }


def score(dataset: str, size: int, seed: int, config: str, index: int, question: str, answer: str) -> float:
    """The data set's own score of an answer, from 0 to 1."""
    entry = _entry(dataset, size, seed, config, index)
    if str(entry["question"]) != question:
        raise ValueError(f"item {index} is not the question asked: is it of another version of reasoning-gym?")
    return float(_make(dataset, size, seed, config).score_answer(answer, entry))


def run(task: str, arguments: dict[str, Any]) -> Any:
    """One of the functions above."""
    return {"known": known, "parameters": parameters, "items": items, "score": score}[task](**arguments)
