"""What the driver and the processes of a run say to each other: msgspec structs as bytes, never pickled objects.

Where a coordinator's message or command needs no more than its fields, it travels as it is; trajectories travel as
bytes.
"""

from typing import Literal

import msgspec

from steelyard.core import FaultError, SteelyardError
from steelyard.runtime.coordinator.messages import Evaluated, Published, Saved, Stepped
from steelyard.runtime.coordinator.workers import Role

__all__ = ["Evaluated", "Published", "Role", "Saved", "Stepped"]


class Build(msgspec.Struct, tag=True):
    """To a process, first of all: build yourself from these settings.

    `version` is that of the first weights; newer ones were published before. The learner takes the rest of its state
    from `checkpoint`, if there is one.
    """

    role: Role
    run: bytes
    scores: bool
    threads: int
    version: int
    checkpoint: str | None


class Begin(msgspec.Struct, tag=True):
    """To a process: weights are published, begin."""


class Draw(msgspec.Struct, tag=True):
    """To a searcher: draw these (prompt, sample) pairs; at this temperature, where it has one of its own."""

    items: list[tuple[int, int]]
    temperature: float | None = None


class TrainOn(msgspec.Struct, tag=True):
    """To the learner: step on these groups of trajectories, and publish afterwards if told so."""

    groups: list[list[bytes]]
    publish: bool


class EvaluateVersion(msgspec.Struct, tag=True):
    """To the evaluator: measure the weights of this version, or the newest where it does not have these."""

    version: int


class SaveInto(msgspec.Struct, tag=True):
    """To the learner: write its part of a checkpoint, or its model, into a directory."""

    what: Literal["checkpoint", "model"]
    directory: str


class End(msgspec.Struct, tag=True):
    """To a process: end."""


class Placed(msgspec.Struct, tag=True):
    """From a process of a cluster: it has a place there, a machine and a process id."""

    pid: int
    node: str


class Built(msgspec.Struct, tag=True):
    """From a process: its parts are built (learner: and its first weights are published)."""


class FoundBytes(msgspec.Struct, tag=True):
    """From a searcher: trajectories, as they finished."""

    trajectories: list[bytes]


class Drawn(msgspec.Struct, tag=True):
    """From a searcher: a batch is done; seconds spent on it, and waiting for it; engine and learner compared."""

    busy: float
    idle: float
    gap: tuple[float, float] | None = None


class StillWaiting(msgspec.Struct, tag=True):
    """From a searcher or the evaluator: it waits for something that may take its time, for so many seconds now."""

    what: str
    seconds: float


class ScoreThese(msgspec.Struct, tag=True):
    """From the evaluator of a run that a bare callable scores: score these, whose texts are in their `info`."""

    trajectories: list[bytes]


class SentScore(msgspec.Struct):
    """A score on its way between processes."""

    value: float | None
    parts: dict[str, float]
    error: str | None
    read: str | None
    read_from: str


class Scores(msgspec.Struct, tag=True):
    """To the evaluator: the scores that it asked for, in order."""

    scores: list[SentScore]


class Failed(msgspec.Struct, tag=True):
    """From a process: it ended by an exception. `mistake` holds what, where, hint and exit code of a known one."""

    error: str
    mistake: tuple[str, str, str, int] | None

    def known(self) -> SteelyardError | None:
        """The error to end the run with, where the process knew what was wrong."""
        if self.mistake is None:
            return None
        what, where, hint, code = self.mistake
        kind = FaultError if code == FaultError.exit_code else SteelyardError
        return kind(what, where=where, hint=hint)


Down = Build | Begin | Draw | TrainOn | EvaluateVersion | SaveInto | Scores | End
Up = Placed | Built | FoundBytes | Drawn | Published | Stepped | Evaluated | Failed | Saved | StillWaiting | ScoreThese

_encoder = msgspec.msgpack.Encoder()
_down = msgspec.msgpack.Decoder(Down)
_up = msgspec.msgpack.Decoder(Up)


def pack(message: Down | Up) -> bytes:
    """The bytes of a message."""
    return _encoder.encode(message)


def unpack_up(data: bytes) -> Up:
    """A process's message.

    Raises:
        MsgspecError: these bytes are none.
    """
    return _up.decode(data)


def unpack_down(data: bytes) -> Down:
    """The driver's message.

    Raises:
        MsgspecError: these bytes are none.
    """
    return _down.decode(data)
