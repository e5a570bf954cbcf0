"""What the coordinator asks of a driver."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from steelyard.core import Trajectory
from steelyard.searcher import Assignment


@dataclass(frozen=True)
class Admit:
    """Let a worker begin: the first weights are published."""

    worker: str


@dataclass(frozen=True)
class Assign:
    """Have a searcher draw these samples, after those it has."""

    worker: str
    assignments: Sequence[Assignment]


@dataclass(frozen=True)
class Feed:
    """Have the learner make its next step on these groups, and publish its weights afterwards if told so."""

    groups: Sequence[Sequence[Trajectory]]
    publish: bool


@dataclass(frozen=True)
class Show:
    """Make weights of this version visible: replay knows them now.

    A runtime whose channels keep `Published` ahead of the data may have shown them already.
    """

    version: int


@dataclass(frozen=True)
class Evaluate:
    """Have the evaluator measure the weights of this version, or the newest where these are gone: its row says which.

    The run's first weights are never gone.
    """

    version: int


@dataclass(frozen=True)
class Save:
    """Write a checkpoint, or the model that the run ends with; answer `Saved`."""

    what: Literal["checkpoint", "model"]


@dataclass(frozen=True)
class EndWorker:
    """Ask a worker to end. Its later messages still count; its death is no failure."""

    worker: str


@dataclass(frozen=True)
class Restart:
    """End what is left of a worker, and start it again after so many seconds."""

    worker: str
    after: float


@dataclass(frozen=True)
class Write:
    """Append a row to `file`.jsonl."""

    file: str
    row: Mapping[str, object]


@dataclass(frozen=True)
class Quarantine:
    """Keep those of these trajectories on which the verifier failed in quarantine.jsonl."""

    trajectories: Sequence[Trajectory]


Command = Admit | Assign | Feed | Show | Evaluate | Save | EndWorker | Restart | Write | Quarantine
