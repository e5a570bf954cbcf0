"""The worker's side of `taskset.py`, which loads this file by its path: tasks of verifiers v1 in a child process.

They run there because they are somebody else's code: one that hangs is killed.
"""

# Only an environment of its own has verifiers.
# pyright: reportMissingImports=false

import asyncio
import functools
import importlib.util
import inspect
import itertools
import json
from pathlib import Path
from typing import Any

from verifiers import v1
from verifiers.v1.graph import MessageNode
from verifiers.v1.state import state_cls
from verifiers.v1.task import Task
from verifiers.v1.trace import AgentInfo, Trace, TraceTask
from verifiers.v1.types import AssistantMessage, SystemMessage, UserMessage
from verifiers.v1.utils.generic import concrete_type
from verifiers.v1.utils.loaders import taskset_class

HOOKS = ("setup", "finalize", "stage_verifier")


def _worker() -> Any:
    """The room's worker, by its path: this process does not import the package."""
    path = Path(__file__).parents[1] / "reward" / "worker.py"
    spec = importlib.util.spec_from_file_location("_steelyard_worker", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.lru_cache(maxsize=1)
def _tasks(taskset: str, settings: str, tasks: int) -> tuple[Any, list[Any]]:
    """The task set, and its first tasks."""
    made = _worker().load(taskset) if ":" in taskset else taskset_class(taskset)
    if not (isinstance(made, type) and issubclass(made, v1.Taskset)):
        raise TypeError(f"{taskset} is no Taskset of verifiers.v1")
    config = concrete_type(made, v1.TasksetConfig) or v1.TasksetConfig
    found = made(config.model_validate(json.loads(settings)))
    return found, list(itertools.islice(found, tasks))


def rows(taskset: str, settings: str, tasks: int) -> dict[str, Any]:
    """Each task's messages; or else why the set cannot be trained on."""
    found, made = _tasks(taskset, settings, tasks)
    if not made:
        return {"refused": "it has no task"}
    if found.toolsets(found.config):
        return {"refused": "its tasks share tools"}
    for number, task in enumerate(made):
        if refused := _refused(task):
            return {"refused": f"its task {number} {refused}"}
    return {"rows": [_messages(task.data) for task in made]}


def _refused(task: Any) -> str:
    """Why a task is not answered by one turn, or not scored by its rewards alone; empty where it is."""
    hooks = [fn for kind in ("reward", "metric") for fn in task.hooks(kind)]
    asking = [fn.__name__ for fn in hooks if _asks_runtime(fn)]
    plain = [fn.__name__ for fn in hooks if not inspect.iscoroutinefunction(fn)]
    own = [hook for hook in HOOKS if getattr(type(task), hook) is not getattr(Task, hook)]
    reasons = {
        "has tools": bool(task.toolsets(task.config)),
        "needs a container": task.NEEDS_CONTAINER or task.data.image is not None,
        f"has {' and '.join(own)}, which need a runtime": bool(own),
        f"asks for a runtime in {' and '.join(asking)}": bool(asking),
        f"has {' and '.join(plain)}, which is no async def, as verifiers asks": bool(plain),
        "asks a model to judge": bool(task.plugged_judges()),
        "has no reward": not task.hooks("reward"),
        "has no prompt": not task.data.prompt,
        "has a prompt that is not of texts alone": not all(isinstance(m.content, str) for m in _prompt(task.data)),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _asks_runtime(function: Any) -> bool:
    asked = inspect.signature(function).parameters.get("runtime")
    return asked is not None and asked.default is inspect.Parameter.empty


def _prompt(data: Any) -> list[Any]:
    """The messages before the policy's."""
    system = [SystemMessage(content=data.system_prompt)] if data.system_prompt else []
    said = [UserMessage(content=data.prompt)] if isinstance(data.prompt, str) else data.prompt or []
    return [*system, *said]


def _messages(data: Any) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in _prompt(data)]


def score(taskset: str, settings: str, tasks: int, index: int, said: str) -> dict[str, Any]:
    """What a task's rewards say to an answer: their weighted sum, and each reward and metric by name."""
    _, made = _tasks(taskset, settings, tasks)
    task = made[index]
    trace = _trace(task, said)
    asyncio.run(task.score(trace))
    parts = {name: reward.value for name, reward in trace.rewards.items()}
    return {"value": trace.reward, "parts": {**parts, **trace.metrics}}


def _trace(task: Any, said: str) -> Any:
    """What verifiers would have recorded of an answer of one turn."""
    kind = Trace[task.data_type(), state_cls(type(task)), v1.AgentConfig]
    asked = TraceTask(type=type(task).__name__, data=task.data, key=task.key, hash=task.hash)
    trace = kind(task=asked, agent=AgentInfo(config=v1.AgentConfig()), is_completed=True, ok=True)
    said_all = [*_prompt(task.data), AssistantMessage(content=said)]
    for number, message in enumerate(said_all):
        last = number == len(said_all) - 1
        trace.nodes.append(MessageNode(parent=number - 1 if number else None, message=message, sampled=last))
    return trace


def run(task: str, arguments: dict[str, Any]) -> Any:
    """One of the functions above."""
    return {"rows": rows, "score": score}[task](**arguments)
