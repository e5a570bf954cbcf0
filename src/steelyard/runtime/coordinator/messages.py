"""What a driver reports to the coordinator. Structs, so that a runtime can send them between processes as they are.

Times are not in the messages: the driver gives the time of its own clock with each of them.
"""

from typing import Literal

import msgspec

from steelyard.core import Trajectory
from steelyard.core.json import JsonObject


class WorkerStarted(msgspec.Struct, tag=True, frozen=True):
    """A worker's process was started. `label` names it in error messages, for example with its process id."""

    worker: str
    label: str


class WorkerReady(msgspec.Struct, tag=True, frozen=True):
    """A worker is built and holds no work: after its start, after a restart, or between two batches."""

    worker: str


class WorkerLost(msgspec.Struct, tag=True, frozen=True):
    """A worker is gone. `why` completes the sentence "searcher 0 ..."."""

    worker: str
    why: str


class Compared(msgspec.Struct, tag=True, frozen=True):
    """Mean and largest gap (nats per token) between engine and learner on some tokens; None: nothing to compare."""

    gap: tuple[float, float] | None


class Found(msgspec.Struct, tag=True, frozen=True):
    """A searcher's scored trajectories, all of its batch or some."""

    worker: str
    trajectories: list[Trajectory]


class BatchDone(msgspec.Struct, tag=True, frozen=True):
    """A searcher finished its oldest batch. Seconds spent on it, and seconds spent waiting for it."""

    worker: str
    busy: float
    idle: float


class Published(msgspec.Struct, tag=True, frozen=True):
    """The learner's weights of this version and digest exist and are about to become visible to searchers."""

    version: int
    digest: str


class Stepped(msgspec.Struct, tag=True, frozen=True):
    """The learner has made `steps` steps and wants groups.

    `metrics` is None when it reports for the first time. `idle` are the seconds that it waited before its last step.
    """

    steps: int
    version: int
    metrics: JsonObject | None
    idle: float


class Evaluated(msgspec.Struct, tag=True, frozen=True):
    """A row of eval.jsonl, samples to read, and the seconds that it took."""

    row: JsonObject
    samples: list[JsonObject]
    busy: float


class Saved(msgspec.Struct, tag=True, frozen=True):
    """What a `Save` asked for is on disk."""

    what: Literal["checkpoint", "model"]


class Waiting(msgspec.Struct, tag=True, frozen=True):
    """A worker waits for something that has a deadline of its own, such as a reward, for so many seconds now."""

    worker: str
    what: str
    seconds: float


class Held(msgspec.Struct, tag=True, frozen=True):
    """The driver itself was busy for so many seconds and heard nobody: nobody is late for that."""

    seconds: float


class StopRequested(msgspec.Struct, tag=True, frozen=True):
    """The run was asked to end early. It may be sent again and again."""


class Tick(msgspec.Struct, tag=True, frozen=True):
    """Time passed. `speaking` are workers whose messages have arrived but are not read yet: they are not silent."""

    speaking: frozenset[str] = frozenset()


Message = (
    WorkerStarted
    | WorkerReady
    | WorkerLost
    | Compared
    | Found
    | BatchDone
    | Published
    | Stepped
    | Evaluated
    | Saved
    | Waiting
    | Held
    | StopRequested
    | Tick
)
