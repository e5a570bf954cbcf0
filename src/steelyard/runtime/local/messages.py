"""What the processes of a local run say to each other: msgspec structs over pipes, never pickled objects."""

from multiprocessing.connection import Connection
from typing import Any, Literal

import msgspec

from steelyard.core import FaultError, StallError, SteelyardError

Role = Literal["searcher", "learner", "evaluator"]


class Start(msgspec.Struct, tag=True):
    """Supervisor to child: build yourself from these settings. `weights` and `references` are open descriptors.

    `version` is that of the first weights; what is newer was published before. The learner takes the rest from
    `checkpoint`, if there is one.
    """

    role: Role
    run: bytes
    weights: int
    references: int
    scores: bool
    threads: int
    version: int
    checkpoint: str | None


class Go(msgspec.Struct, tag=True):
    """Supervisor to child: weights are published, begin."""


class Assign(msgspec.Struct, tag=True):
    """Supervisor to searcher: draw these (prompt, sample) pairs."""

    items: list[tuple[int, int]]


class Groups(msgspec.Struct, tag=True):
    """Supervisor to learner: step on these groups of trajectories."""

    groups: list[list[bytes]]


class Measure(msgspec.Struct, tag=True):
    """Supervisor to evaluator: measure the newest weights."""


class Save(msgspec.Struct, tag=True):
    """Supervisor to learner: write its part of a checkpoint, or its model, into a directory."""

    what: Literal["checkpoint", "model"]
    directory: str


class Stop(msgspec.Struct, tag=True):
    """Supervisor to child: end."""


class Ready(msgspec.Struct, tag=True):
    """Child to supervisor: the parts are built (learner: and its first weights published)."""


class Found(msgspec.Struct, tag=True):
    """Searcher to supervisor: trajectories, as they finished."""

    trajectories: list[bytes]


class Searched(msgspec.Struct, tag=True):
    """Searcher to supervisor: a batch is done; seconds spent in it, and waiting for it; the batch's parity gauge."""

    busy: float
    idle: float
    parity: tuple[float, float] | None = None


class Published(msgspec.Struct, tag=True):
    """Learner to supervisor: weights that are about to become visible. Sent before anybody can sample from them."""

    version: int
    digest: str


class Stepped(msgspec.Struct, tag=True):
    """Learner to supervisor: it has made `steps` steps (`metrics` None at the start) and wants groups.

    `idle` are the seconds that it waited for the groups of its last step.
    """

    steps: int
    version: int
    metrics: dict[str, Any] | None
    idle: float


class Measured(msgspec.Struct, tag=True):
    """Evaluator to supervisor: a row of eval.jsonl, samples to read, and the seconds that it took."""

    row: dict[str, Any]
    samples: list[dict[str, Any]]
    busy: float


class Failed(msgspec.Struct, tag=True):
    """Child to supervisor: it ended by an exception. `mistake` holds what, where, mend and exit code of a known one."""

    error: str
    mistake: tuple[str, str, str, int] | None

    def known(self) -> SteelyardError | None:
        """The error to end the run with, where the child knew what was wrong."""
        if self.mistake is None:
            return None
        what, where, hint, code = self.mistake
        kind = FaultError if code == FaultError.exit_code else SteelyardError
        return kind(what, where=where, hint=hint)


class Saved(msgspec.Struct, tag=True):
    """Learner to supervisor: what was asked is saved."""

    what: Literal["checkpoint", "model"]


Down = Start | Go | Assign | Groups | Measure | Save | Stop
Up = Ready | Found | Searched | Published | Stepped | Measured | Failed | Saved

_encoder = msgspec.msgpack.Encoder()
_down = msgspec.msgpack.Decoder(Down)
_up = msgspec.msgpack.Decoder(Up)


def send(connection: Connection, message: Down | Up) -> None:
    """Send one message."""
    connection.send_bytes(_encoder.encode(message))


def receive_up(connection: Connection) -> Up:
    """Read one message of a child; EOFError if it is gone."""
    return _up.decode(connection.recv_bytes())


def receive_down(connection: Connection, deadline: float | None, who: str) -> Down:
    """Read the supervisor's next message.

    Raises:
        StallError: nothing came within `deadline` seconds.
        EOFError: the supervisor is gone.
    """
    if not connection.poll(deadline):
        raise StallError(
            f"nothing came for {deadline} s",
            where=f"{who} waits for the supervisor",
            hint="look at the supervisor's log",
        )
    return _down.decode(connection.recv_bytes())
