"""A child's line to the driver: a pipe, and the messages on it."""

import threading
from multiprocessing.connection import Connection

from steelyard.runtime.roles.channel import unheard
from steelyard.runtime.roles.messages import Down, Up, pack, unpack_down, unpack_up

_speaking = threading.Lock()


def send(connection: Connection, message: Down | Up) -> None:
    """Send one message, whole: two threads of a process may speak."""
    data = pack(message)
    with _speaking:
        connection.send_bytes(data)


def receive_up(connection: Connection) -> Up:
    """Read one message of a child; EOFError if it is gone."""
    return unpack_up(connection.recv_bytes())


def receive_down(connection: Connection, deadline: float | None, who: str) -> Down:
    """Read the driver's next message.

    Raises:
        StallError: nothing came within `deadline` seconds.
        EOFError: the driver is gone.
    """
    if not connection.poll(deadline):
        raise unheard(deadline, who)
    return unpack_down(connection.recv_bytes())


class PipeChannel:
    """The child's end of a pipe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, message: Up) -> None:
        """Say something; from any thread."""
        send(self._connection, message)

    def receive(self, deadline: float | None, who: str) -> Down:
        """The driver's next message; see `receive_down`."""
        return receive_down(self._connection, deadline, who)

    def pending(self) -> bool:
        """Whether a message has arrived."""
        return self._connection.poll(0)
