"""A process at work on something slow says so, so that nobody loses patience over it.

A reward may take its time: it has a deadline of its own. While the process waits for one that has, the driver hears
of it every few seconds. A wait without a deadline of its own is spoken of for `patience_s` and no longer; then the
process is silent, and the searcher's deadline counts.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from steelyard.core.waiting import waits, without_deadline_s
from steelyard.runtime.roles.channel import Channel
from steelyard.runtime.roles.messages import StillWaiting

EVERY_S = 5.0
"""Seconds between two words, at most."""


@contextmanager
def telling(channel: Channel, *, patience_s: float, deadline_s: float) -> Iterator[None]:
    """Tell the driver what this process waits for, as long as the block takes.

    Args:
        channel: to the driver.
        patience_s: how long to speak of a wait that has no deadline of its own.
        deadline_s: how long the driver lets a silent process live.
    """
    ended = threading.Event()
    every_s = min(EVERY_S, deadline_s / 4)
    thread = threading.Thread(target=_tell, args=(channel, ended, every_s, patience_s), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()


def _tell(channel: Channel, ended: threading.Event, every_s: float, patience_s: float) -> None:
    while not ended.wait(every_s):
        word = word_of(time.monotonic(), patience_s)
        if word is not None:
            with contextlib.suppress(OSError):  # the driver is gone, and the main thread sees it too
                channel.send(word)


def word_of(now: float, patience_s: float) -> StillWaiting | None:
    """What there is to say: the oldest wait and for how long; None where there is none, or patience is spent."""
    found = waits()
    if not found or without_deadline_s(now) > patience_s:
        return None
    return StillWaiting(found[0].what, now - found[0].since)
