"""The worker's side of `gym.py`, which loads this file by its path: reasoning-gym in a child process.

It runs there because several verifiers evaluate text that the model wrote, and because some data sets depend on the
process: on string hashes, which workers fix, or on the global random state, which is set here for each item.
"""

import dataclasses
import functools
import importlib.util
import json
import random
from pathlib import Path
from typing import Any

import reasoning_gym
from reasoning_gym.composite import DatasetSpec
from reasoning_gym.factory import DATASETS


def _beside(name: str) -> Any:
    """The module in a file next to this one: the worker does not import the package."""
    spec = importlib.util.spec_from_file_location(f"_steelyard_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_scores = _beside("gym_scores")


@functools.lru_cache(maxsize=1)
def _make(dataset: str, size: int, seed: int, config: str) -> Any:
    settings = json.loads(config)
    if dataset == "composite" and "datasets" in settings:  # its parts come as plain JSON objects
        defaults = {"weight": 1.0, "config": {}}
        settings["datasets"] = [DatasetSpec(**{**defaults, **part}) for part in settings["datasets"]]
    return reasoning_gym.create_dataset(dataset, size=size, seed=seed, **settings)


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
    """Each item's question, answer and bare expression; None for one that raises or has no answer.

    The answer itself is None where the data set has none: its verifier alone decides.
    """
    _make(dataset, size, seed, config)
    return [_item(dataset, size, seed, config, index) for index in range(size)]


def _item(dataset: str, size: int, seed: int, config: str, index: int) -> dict[str, Any] | None:
    try:
        entry = _entry(dataset, size, seed, config, index)
    except MemoryError:  # a fault of the machine: leaving the item out would change the data set
        raise
    except Exception:  # noqa: BLE001  generators raise arbitrary errors at some indices; they are counted
        return None
    if entry["answer"] is None and _scores.named(dataset, entry) not in _scores.WITHOUT_ANSWER:
        return None
    expression = entry.get("metadata", {}).get("expression")
    return {
        "index": index,
        "question": str(entry["question"]),
        "answer": None if entry["answer"] is None else str(entry["answer"]),
        "expression": expression if isinstance(expression, str) else None,
    }


def score(dataset: str, size: int, seed: int, config: str, index: int, question: str, answer: str) -> float:
    """The data set's own score of an answer, from 0 to 1."""
    entry = _entry(dataset, size, seed, config, index)
    if str(entry["question"]) != question:
        raise ValueError(f"item {index} is not the question asked: is it of another version of reasoning-gym?")
    return _scores.score(dataset, _make(dataset, size, seed, config), answer, entry)


def run(task: str, arguments: dict[str, Any]) -> Any:
    """One of the functions above."""
    return {"known": known, "parameters": parameters, "items": items, "score": score}[task](**arguments)
