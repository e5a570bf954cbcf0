"""Calls of environments, many at a time, each under a deadline.

A call has a daemon thread of its own; a coroutine that it returns runs on one event loop that all share. A call that is
late is given up: a coroutine is cancelled, a thread is left behind, since Python cannot end it.
"""

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Coroutine, Hashable
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from functools import cache
from typing import Literal

from steelyard.core.waiting import waiting

Until = Literal["now", "one", "all"]


@dataclass(frozen=True)
class Answer:
    """What a call came to: a value, or the error that ended it."""

    key: Hashable
    value: object = None
    error: str | None = None


@dataclass(frozen=True)
class _Call:
    key: Hashable
    future: Future[object]
    due: float


class Calls:
    """Calls under way. Answers come in the order in which their calls began, as far as they are there.

    Args:
        deadline_s: seconds that a call may take.
    """

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._open: list[_Call] = []

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, key: Hashable, function: Callable[..., object], *arguments: object) -> None:
        """Call a function, which may be a coroutine function."""
        future: Future[object] = Future()
        threading.Thread(target=_carry_out, args=(future, function, arguments), daemon=True).start()
        self._open.append(_Call(key, future, time.monotonic() + self._deadline_s))

    def collect(self, until: Until) -> list[Answer]:
        """The answers that are there: at once, or after waiting for one or for all, at most until their deadlines."""
        if until != "now" and self._open:
            due = [call.due for call in self._open]
            limit = (max(due) if until == "all" else min(due)) - time.monotonic()
            when = ALL_COMPLETED if until == "all" else FIRST_COMPLETED
            with waiting(f"waiting for {len(self._open)} environments", ends=True):
                wait([call.future for call in self._open], max(0.0, limit), when)
        now = time.monotonic()
        ended = [call for call in self._open if call.future.done() or call.due <= now]
        self._open = [call for call in self._open if call not in ended]
        return [self._answer(call) for call in ended]

    def _answer(self, call: _Call) -> Answer:
        if not call.future.done():
            call.future.cancel()
            return Answer(call.key, error=f"no answer within {self._deadline_s:g} s")
        error = call.future.exception()
        if error is not None:
            return Answer(call.key, error=f"{type(error).__name__}: {error}".rstrip(": "))
        return Answer(call.key, call.future.result())


def _carry_out(future: "Future[object]", function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    """Run the call in this thread; its outcome goes into `future`, unless that was given up."""
    try:
        found = function(*arguments)
        if inspect.iscoroutine(found):
            found = _on_loop(found, future)
        outcome, error = found, None
    except BaseException as raised:  # noqa: BLE001  (not hidden: it is the answer)
        outcome, error = None, raised
    if future.set_running_or_notify_cancel():
        if error is None:
            future.set_result(outcome)
        else:
            future.set_exception(error)


def _on_loop(coroutine: Coroutine[object, object, object], given_up: "Future[object]") -> object:
    task = asyncio.run_coroutine_threadsafe(coroutine, _loop())
    given_up.add_done_callback(lambda future: future.cancelled() and task.cancel())
    return task.result()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """The event loop of all coroutines, in a daemon thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="environments", daemon=True).start()
    return loop
