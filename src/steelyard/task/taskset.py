"""Task sets of verifiers v1: their tasks are prompts, and their rewards score answers of one turn.

    r(y | x) = sum_k weight_k reward_k(y)             every @reward method of x's task; each @metric is a part beside it

`--taskset my_tasks.py:Sums` names a class, or an installed package by its id; `--settings` are fields of its config.
Tasks are chats. Those that need more than an answer are refused when the run begins: tools, a container or another
runtime, a judge that is a model. A reward that raises or is late gives no reward, never 0.
Source: verifiers 0.4, `verifiers.v1`. Needs the extra: pip install 'steelyard[verifiers]', in an environment without
other packages that need mcp, which it pins.
"""

import importlib.util
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from steelyard.core import Episode, Positive, PositiveInt, Prompt, Score, ShareInside, SteelyardError, method, require
from steelyard.core.json import JsonObject
from steelyard.reward import Closable, Pool
from steelyard.reward.score import score_of
from steelyard.reward.worker import Reply
from steelyard.task.base import key_of, make_prompt, split_by_hash, take_split, tell_apart
from steelyard.task.game import SETTINGS
from steelyard.task.loaded import FORMS, read_object
from steelyard.task.rows import NO_FILE

FLAG = "--taskset"
LOAD_S = 600.0
"""Deadline for making all tasks (seconds)."""


@method("taskset", exemptions=dict.fromkeys(NO_FILE, "without a task set there are no prompts"))
@dataclass(frozen=True)
class Taskset(Closable):
    """A task set of verifiers v1."""

    OWN_DATA: ClassVar[str] = "--taskset my_tasks.py:Sums"
    extra: ClassVar[str] = "verifiers"

    taskset: str = ""
    """my_tasks.py:Sums, module:Class, or the id of an installed task set."""
    settings: str = "{}"
    """Fields of the task set's config, as JSON."""
    tasks: PositiveInt = 10_000
    """Tasks to take, from the front."""
    held_out_share: ShareInside = 0.1
    """Share of the prompts held out of training, chosen by hash of the prompt."""
    timeout_s: Positive = 30.0
    """Deadline of the rewards of one answer (seconds)."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The tasks of "train" or "held-out" as chats, in their order.

        Raises:
            SteelyardError: verifiers is missing, the task set cannot be made, or its tasks need more than an answer.
        """
        return take_split(self._splits, split)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """What the tasks' rewards say; None if one failed or was late."""
        asked = [self._asked | {"index": e.prompt.columns["index"], "said": e.completion} for e in episodes]
        jobs = [{"task": "score", "arguments": arguments} for arguments in asked]
        return [self._score(reply) for reply in self._pool.map(jobs, timeout_s=self.timeout_s)]

    def _score(self, reply: Reply) -> Score:
        if reply.error:
            return Score(None, error=f"{self.taskset}: {reply.error}")
        score = score_of(reply.value["value"], self.taskset)
        return score if score.value is None else Score(score.value, reply.value["parts"])

    @property
    def notes(self) -> Mapping[str, int]:
        """How many tasks ask again, as far as any do."""
        self.prompts("train")
        return {what: number for what, number in self._counts.items() if number}

    def close(self) -> None:
        """End the child process that makes tasks and scores answers."""
        self._pool.close()

    @cached_property
    def _pool(self) -> Pool:
        return Pool(f"{Path(__file__).with_name('taskset_worker.py')}:run")

    @cached_property
    def _counts(self) -> Counter[str]:
        return Counter()

    @cached_property
    def _asked(self) -> JsonObject:
        hint = f"{FORMS}, or the id of an installed task set"
        require(bool(self.taskset), "is missing", where=FLAG, hint=hint)
        read_object(self.settings, SETTINGS, "write a JSON object of the config's fields")
        installed = importlib.util.find_spec("verifiers") is not None
        require(installed, "verifiers is not installed", where=FLAG, hint="pip install 'steelyard[verifiers]'")
        return {"taskset": self.taskset, "settings": self.settings, "tasks": self.tasks}

    @cached_property
    def _splits(self) -> Mapping[str, Sequence[Prompt]]:
        reply = self._pool.call({"task": "rows", "arguments": self._asked}, timeout_s=LOAD_S)
        if reply.error:
            what = f"{self.taskset} cannot be made ({reply.error})"
            raise SteelyardError(what, where=FLAG, hint="mend it, or its --settings")
        made: Mapping[str, Any] = reply.value
        refused = made.get("refused", "")
        hint = "take one whose tasks are answered by one turn and scored by their rewards alone"
        require(not refused, f"{self.taskset} cannot be trained on: {refused}", where=FLAG, hint=hint)
        prompts = [make_prompt(text, {"index": n}, place=f"task {n}") for n, text in enumerate(made["rows"])]
        apart = tell_apart([(key_of(prompt.text), prompt) for prompt in prompts], self._counts)
        return split_by_hash(apart, self.held_out_share, where=FLAG)
