"""What the processes of a local run say to each other: msgspec structs over pipes, never pickled objects."""

from multiprocessing.connection import Connection
from typing import Any, Literal

import msgspec

from steelyard.core import StallError


class Start(msgspec.Struct, tag=True):
    """Supervisor to child: build yourself from these settings. `weights` and `references` are open descriptors."""

    role: Literal["searcher", "learner", "evaluator"]
    run: bytes
    weights: int
    references: int
    scores: bool
    threads: int


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


class Stop(msgspec.Struct, tag=True):
    """Supervisor to child: end; the learner first saves its model to `save`, if that is given."""

    save: str | None = None


class Ready(msgspec.Struct, tag=True):
    """Child to supervisor: the parts are built (learner: and published)."""


class Found(msgspec.Struct, tag=True):
    """Searcher to supervisor: trajectories, as they finished."""

    trajectories: list[bytes]


class Searched(msgspec.Struct, tag=True):
    """Searcher to supervisor: a batch is done; seconds spent in it, and waiting for it."""

    busy: float
    idle: float


class Stepped(msgspec.Struct, tag=True):
    """Learner to supervisor: the learner is at `version` (`metrics` None at the start) and wants groups."""

    version: int
    metrics: dict[str, Any] | None
    idle: float


class Measured(msgspec.Struct, tag=True):
    """Evaluator to supervisor: a row of eval.jsonl, and samples to read."""

    row: dict[str, Any]
    samples: list[dict[str, Any]]


class Failed(msgspec.Struct, tag=True):
    """Child to supervisor: it ended by an exception. `mistake` holds what, where, mend if the user can mend it."""

    error: str
    mistake: tuple[str, str, str] | None


class Saved(msgspec.Struct, tag=True):
    """Learner to supervisor: the model is saved."""


Down = Start | Go | Assign | Groups | Measure | Stop
Up = Ready | Found | Searched | Stepped | Measured | Failed | Saved

_encoder = msgspec.msgpack.Encoder()
_down, _up = msgspec.msgpack.Decoder(Down), msgspec.msgpack.Decoder(Up)


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
            mend="look at the supervisor's log",
        )
    return _down.decode(connection.recv_bytes())
