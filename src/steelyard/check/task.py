"""Checks for the prompts of tasks. Their scoring is checked as for any reward."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from steelyard.check.verdict import Check, demand
from steelyard.core import Prompt, Task

SPLITS = ("train", "held-out")


@lru_cache(maxsize=1)  # making them can take a while
def _of(task: Task) -> dict[str, Sequence[Prompt]]:
    return {split: task.prompts(split) for split in SPLITS}


def task_ids(task: Task) -> None:
    """Either split has prompts, and their ids are texts of which none comes twice."""
    for split, prompts in _of(task).items():
        ids = [prompt.id for prompt in prompts]
        demand(bool(ids), f"the split {split} is empty")
        demand(all(isinstance(id, str) and id for id in ids), f"an id of {split} is empty or no text")
        demand(len(set(ids)) == len(ids), f"ids of {split} come twice")


def task_splits(task: Task) -> None:
    """The splits share no prompt, neither by id nor by text."""
    train, held_out = _of(task).values()
    ids = {prompt.id for prompt in train} & {prompt.id for prompt in held_out}
    demand(not ids, f"{len(ids)} ids are in both splits")
    texts = {str(prompt.text) for prompt in train} & {str(prompt.text) for prompt in held_out}
    demand(not texts, f"{len(texts)} texts are in both splits")


def task_repeatable(task: Task) -> None:
    """The same prompts in the same order, from this instance and from a new one."""
    first = _of(task)
    twin = type(task)()
    last = SPLITS[-1]
    demand(list(first[last]) == list(task.prompts(last)), f"the prompts of {last} change between two calls")
    for split in SPLITS:
        demand(list(first[split]) == list(twin.prompts(split)), f"another instance has other prompts in {split}")


TASK_CHECKS: Mapping[str, Check] = MappingProxyType(
    {"task-ids": task_ids, "task-splits": task_splits, "task-repeatable": task_repeatable}
)
