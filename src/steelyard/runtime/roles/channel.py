"""What a process of a run hears and says, whatever carries it."""

from typing import Protocol, runtime_checkable

from steelyard.core import StallError
from steelyard.runtime.roles.messages import Down, Up


@runtime_checkable
class Channel(Protocol):
    """A process's line to the driver. Messages arrive in order."""

    def send(self, message: Up) -> None:
        """Say something; from any thread.

        Raises:
            OSError: the driver is gone.
        """
        ...

    def receive(self, deadline: float | None, who: str) -> Down:
        """The driver's next message; `who` waits for it.

        Raises:
            StallError: nothing came within `deadline` seconds.
            EOFError: the driver is gone.
        """
        ...

    def pending(self) -> bool:
        """Whether a message has arrived."""
        ...


def unheard(deadline: float | None, who: str) -> StallError:
    """The error where nothing came in time."""
    hint = "look at the supervisor's log"
    return StallError(f"nothing came for {deadline} s", where=f"{who} waits for the supervisor", hint=hint)
