"""Simulated processes on a virtual clock: generators that say what they do next, and how long that takes.

yield Work(seconds, weight)   compute; how long it takes is the devices' to say
yield Pause(seconds)          do nothing
message = yield mailbox       wait for a message
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from steelyard.core import StallError
from steelyard.runtime.simulated.devices import Devices

T = TypeVar("T")


@dataclass(frozen=True)
class Work:
    """Seconds of one core or device, and the weight by which a process gets its share of cores."""

    seconds: float
    weight: float = 1.0


@dataclass(frozen=True)
class Pause:
    """Seconds in which nothing is computed."""

    seconds: float


@dataclass
class Mailbox(Generic[T]):
    """Messages for one process."""

    messages: deque[T] = field(default_factory=deque)
    reader: "Process | None" = None
    """Who waits for a message."""


Process = Generator[Work | Pause | Mailbox[Any], Any, None]


class Processes:
    """The virtual clock, and all processes on it.

    Args:
        devices: where they compute.
    """

    def __init__(self, devices: Devices) -> None:
        self.now = 0.0
        """Virtual seconds."""
        self._devices = devices
        self._paused: list[tuple[float, int, Process]] = []
        self._pauses = 0
        self._working: dict[int, Process] = {}

    def spawn(self, process: Process) -> None:
        """Let a process begin."""
        self._resume(process, None)

    def send(self, box: Mailbox[T], message: T) -> None:
        """Put a message into a mailbox; who waits for it goes on at once."""
        box.messages.append(message)
        if box.reader is not None:
            reader, box.reader = box.reader, None
            self._resume(reader, box.messages.popleft())

    def run(self, done: Callable[[], bool]) -> None:
        """Go on until `done`.

        Raises:
            StallError: everybody waits for a message.
        """
        while not done():
            pause_ends = self._paused[0][0] if self._paused else math.inf
            then = min(pause_ends, self._devices.next_end())
            if math.isinf(then):
                hint = "give it more prompts, or a replay that needs fewer completions"
                raise StallError("everybody waits for somebody", where=f"simulated run at {self.now:g} s", hint=hint)
            self.now = then
            for key in self._devices.advance(then):
                assert isinstance(key, int)
                self._resume(self._working.pop(key), None)
            while self._paused and self._paused[0][0] <= then:
                self._resume(heapq.heappop(self._paused)[-1], None)

    def _resume(self, process: Process, message: Any) -> None:
        while True:
            try:
                wanted = process.send(message)
            except StopIteration:
                return
            match wanted:
                case Mailbox():
                    if not wanted.messages:
                        wanted.reader = process
                        return
                    message = wanted.messages.popleft()
                case Work():
                    self._working[id(process)] = process
                    self._devices.start(id(process), wanted.seconds, wanted.weight)
                    return
                case Pause():
                    heapq.heappush(self._paused, (self.now + wanted.seconds, self._pauses, process))
                    self._pauses += 1
                    return
