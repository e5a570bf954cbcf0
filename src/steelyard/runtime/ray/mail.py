"""The letter boxes of an actor: what the driver has told it, and what it will say when the driver asks.

Calls to an actor with several threads may overtake each other. So what it is told has numbers, and is read in their
order; what it says is handed over in one call after another.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from steelyard.runtime.roles.channel import unheard
from steelyard.runtime.roles.messages import Down, Up, pack, unpack_down

Offer = tuple[str, int, str]
"""What a reference leads to: "weights" or "reference", version, digest."""
Said = tuple[bytes | Offer, Any]
"""A message's bytes and None, or an offer of weights and the reference in Ray's object store."""


class Inbox:
    """Messages from the driver, in the order of their numbers, which count from 0."""

    def __init__(self) -> None:
        self._arrived: dict[int, bytes] = {}
        self._next = 0
        self._changed = threading.Condition()

    def put(self, number: int, data: bytes) -> None:
        """A message has arrived."""
        with self._changed:
            self._arrived[number] = data
            self._changed.notify_all()

    def get(self, deadline: float | None) -> bytes | None:
        """The next message; None where it does not come within `deadline` seconds."""
        limit = None if deadline is None else min(deadline, threading.TIMEOUT_MAX)
        with self._changed:
            if not self._changed.wait_for(lambda: self._next in self._arrived, limit):
                return None
            data = self._arrived.pop(self._next)
            self._next += 1
            return data

    def pending(self) -> bool:
        """Whether the next message has arrived."""
        with self._changed:
            return self._next in self._arrived


class Outbox:
    """What the driver will be told, in order."""

    def __init__(self) -> None:
        self._said: list[Said] = []
        self._closed = False
        self._changed = threading.Condition()

    def put(self, what: bytes | Offer, reference: Any = None) -> None:
        """Say something; from any thread."""
        with self._changed:
            self._said.append((what, reference))
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing will follow."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, seconds: float) -> tuple[list[Said], bool]:
        """All that is there, as soon as there is something, and whether nothing will follow; at most so many seconds
        later nothing."""
        until = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: self._said or self._closed, max(0.0, until - time.monotonic()))
            said = self._said
            self._said = []
            return said, self._closed


class MailChannel:
    """The boxes as the part's line to the driver.

    Args:
        inbox: what the driver says.
        say: takes what the driver is to hear.
    """

    def __init__(self, inbox: Inbox, say: Callable[[bytes], None]) -> None:
        self._inbox = inbox
        self._say = say

    def send(self, message: Up) -> None:
        """Say something; from any thread."""
        self._say(pack(message))

    def receive(self, deadline: float | None, who: str) -> Down:
        """The driver's next message. Where the driver is gone, Ray ends this process.

        Raises:
            StallError: nothing came within `deadline` seconds.
        """
        data = self._inbox.get(deadline)
        if data is None:
            raise unheard(deadline, who)
        return unpack_down(data)

    def pending(self) -> bool:
        """Whether a message has arrived."""
        return self._inbox.pending()
