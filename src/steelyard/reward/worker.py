"""The far side of a killable worker: a child process that loads one function and answers jobs, one at a time.

    parent -> child   Start(path, target, memory_mb, candid), then Job(arguments, timeout_s) ...
    child -> parent   one Reply(value, error, mistake, spent) to each, in order

Messages are msgpack behind a 4-byte length, on a socket pair whose file number is the only argument. Nothing is ever
unpickled, and neither side takes a message that is longer than `LARGEST` or of another form. The function runs in the
main thread, so that verifiers that use signals work. Arguments that msgpack has no form for, such as dates and integers
beyond 64 bits, arrive unchanged all the same (`wire_values.py`). The child leaves when the parent closes the pair or
dies; where it is busy then, it ends itself soon after the job's deadline.

Differs from the other child processes, which start as `python -m`: this file is run by its path and imports nothing of
steelyard, because `-m` imports the room and torch with it, a second and 200 MB for each worker and each restart.
"""

import asyncio
import contextlib
import faulthandler
import importlib
import importlib.util
import inspect
import numbers
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, TypeVar

import msgspec


def _beside(name: str) -> Any:
    """The module in a file next to this one, read by its path: in the child, its package is not to be imported."""
    spec = importlib.util.spec_from_file_location(f"_steelyard_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_values = _beside("wire_values")
GRACE_S = 5.0
"""How long after a job's deadline (seconds) a worker that nobody killed ends itself."""
LARGEST = 1 << 30
"""Bytes of the longest message."""

STATE = "trainer_state"

T = TypeVar("T")


class GarbledError(Exception):
    """What came is no message of the kind that was due."""


class Start(msgspec.Struct):
    """The first message: where to import from, what to load, how much memory (MB) it may take, and the packages that
    may not hide a lack of it (see `import_hook.py`)."""

    path: list[str]
    target: str
    memory_mb: int
    candid: list[str] = []


class Job(msgspec.Struct):
    """One call of the function, with its deadline (seconds); of `offered` it gets what it has parameters for."""

    arguments: dict[str, Any]
    timeout_s: float
    offered: dict[str, Any] = {}


class Reply(msgspec.Struct):
    """What came of it: a value, an `error` of this one call, or a `mistake` that every call would meet.

    `hint` says how to mend a mistake, where it is not the function's signature. `spent` says that the process ran out
    of memory, and is no good for another call. `columns` and `metrics` are what the function told `log_extra` and
    `log_metric`: values by column, and the means of numbers.
    """

    value: Any = None
    error: str | None = None
    mistake: str | None = None
    spent: bool = False
    columns: dict[str, list[Any]] = {}
    metrics: dict[str, float] = {}
    hint: str = ""


class Told:
    """What a function of TRL's form is given beside its data, and what it says through it."""

    def __init__(self, state: Mapping[str, object]) -> None:
        self.columns: dict[str, list[Any]] = {}
        self.metrics: dict[str, list[float]] = {}
        self.offered = {
            "trainer_state": SimpleNamespace(**state),
            "log_extra": lambda column, values: self.columns.setdefault(str(column), []).extend(values),
            "log_metric": lambda name, value: self.metrics.setdefault(str(name), []).append(float(value)),
        }

    def on(self, reply: Reply) -> Reply:
        """The reply with what was said, as whoever reads a trajectory finds it; a mistake where that cannot be kept."""
        for column, values in self.columns.items():
            try:
                reply.columns[column] = [_kept(value) for value in values]
            except TypeError as error:
                return Reply(mistake=f"log_extra({column!r}) got no plain data: {error}", hint="log numbers and texts")
            except (OverflowError, UnicodeEncodeError, RecursionError) as error:  # of this one value
                return Reply(error=f"log_extra({column!r}): {describe(error)}")
        reply.metrics = {name: sum(values) / len(values) for name, values in self.metrics.items()}
        return reply


def encode(message: msgspec.Struct) -> bytes:
    """The message's bytes.

    Raises:
        TypeError, OverflowError, UnicodeEncodeError, RecursionError: it holds something that msgpack cannot say.
    """
    if isinstance(message, Job):
        message = Job(_values.pack(message.arguments), message.timeout_s, _values.pack(message.offered))
    data = msgspec.msgpack.encode(message, enc_hook=_plain)
    if len(data) > LARGEST:
        raise OverflowError(f"{len(data)} bytes are too many")
    return data


def send(pipe: socket.socket, data: bytes, deadline: float | None = None) -> None:
    """Write an encoded message before `deadline` (seconds on the monotonic clock).

    Raises:
        TimeoutError: the deadline passed.
    """
    pipe.settimeout(_left(deadline))
    pipe.sendall(len(data).to_bytes(4, "big") + data)


def receive(pipe: socket.socket, kind: type[T], deadline: float | None = None) -> T:
    """Read one message of this kind.

    Raises:
        TimeoutError: the deadline passed.
        EOFError: the other side is gone.
        GarbledError: the message is too long, or none of this kind.
    """
    size = int.from_bytes(_exactly(pipe, 4, deadline), "big")
    if size > LARGEST:
        raise GarbledError(f"{size} bytes are too many")
    try:
        return msgspec.msgpack.decode(_exactly(pipe, size, deadline), type=kind, ext_hook=_values.unpack)
    except (msgspec.MsgspecError, RecursionError, ValueError, ArithmeticError) as error:
        raise GarbledError(describe(error)) from error


def _exactly(pipe: socket.socket, size: int, deadline: float | None) -> bytes:
    data = bytearray()
    while len(data) < size:
        pipe.settimeout(_left(deadline))
        piece = pipe.recv(min(size - len(data), 1 << 20))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def _left(deadline: float | None) -> float | None:
    # never 0, which would make the socket non-blocking
    return None if deadline is None else max(deadline - time.monotonic(), 1e-3)


def _plain(value: object) -> object:
    """Numbers that msgpack does not know, and the numbers, booleans and arrays of numpy and torch."""
    if callable(as_list := getattr(value, "tolist", None)):
        return as_list()
    if isinstance(value, numbers.Real | Decimal):
        return float(value)
    raise TypeError(f"a {type(value).__name__} cannot be sent between processes")


def _kept(value: object) -> object:
    """A number as it is, an array as a list, and all else as msgpack brings it back."""
    if isinstance(value, numbers.Real | Decimal):
        return value
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value, enc_hook=_plain))


def load(target: str) -> Callable[..., object]:
    """The function that `module:function` or `path/to/file.py:function` names."""
    place, _, name = target.rpartition(":")
    if place.endswith(".py"):
        spec = importlib.util.spec_from_file_location("_steelyard_target", place)
        if spec is None or spec.loader is None:
            raise ImportError(f"{place} is not a Python file")
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(place)
    return getattr(module, name)


def call(
    function: Callable[..., object], arguments: dict[str, object], offered: Mapping[str, object] = MappingProxyType({})
) -> Reply:
    """`function(**arguments)`, awaited where it is asynchronous; what it raises becomes the reply's error.

    Of `offered`, the function gets what it has a parameter of that name for, unless an argument has the name already.
    `trainer_state` becomes an object, and with it come the functions `log_extra` and `log_metric`.
    """
    state = offered.get(STATE)
    told = Told(state if isinstance(state, dict) else {})
    offered = {**offered, **told.offered} if isinstance(state, dict) else offered
    try:
        known = inspect.signature(function).parameters
        arguments = {**{name: offered[name] for name in offered if name in known}, **arguments}
        inspect.signature(function).bind(**arguments)
    except TypeError as error:
        return Reply(mistake=f"it does not take these arguments: {error}")
    except ValueError:  # a builtin without a signature: the call itself will tell
        pass
    try:
        value = function(**arguments)
        return told.on(Reply(_await(value) if inspect.isawaitable(value) else value))
    except (Exception, SystemExit, asyncio.CancelledError) as error:  # noqa: BLE001  a verifier's error is reported
        return Reply(error=describe(error), spent=isinstance(error, MemoryError))


def _await(value: Awaitable[object]) -> object:
    async def result() -> object:
        return await value

    # in a thread of its own, because the caller's may already run an event loop (a notebook does)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, result()).result()


def describe(error: BaseException) -> str:
    """An exception in one line of at most 500 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


def _limit(memory_mb: int) -> None:
    with contextlib.suppress(ImportError):  # no such limits outside Unix
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = memory_mb << 20 if hard == resource.RLIM_INFINITY else min(memory_mb << 20, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _begin(start: Start) -> tuple[Callable[..., object] | None, Reply]:
    sys.path[:] = start.path
    _limit(start.memory_mb)
    if start.candid:
        load(f"{Path(__file__).with_name('import_hook.py')}:install")(start.candid)
    try:
        return load(start.target), Reply()
    except (Exception, SystemExit) as error:  # noqa: BLE001  a module may raise anything while it is imported
        return None, Reply(mistake=f"cannot be loaded: {describe(error)}")


def _answer(function: Callable[..., object], job: Job) -> bytes:
    reply = call(function, job.arguments, job.offered)
    if isinstance(reply.value, list | tuple):
        reply.value = [_sendable(item) for item in reply.value]
    reply.columns = {name: [_sendable(item) for item in values] for name, values in reply.columns.items()}
    try:
        return encode(reply)
    except TypeError as error:
        return encode(Reply(mistake=f"its result is not plain data{_entry(reply.value)}: {error}"))
    except (OverflowError, UnicodeEncodeError, RecursionError) as error:  # of this one value
        return encode(Reply(error=f"its result cannot be sent: {describe(error)}"))


def _sendable(value: object) -> object:
    """A Decimal, which msgpack would turn into text, or an integer beyond 64 bits, as a float."""
    if isinstance(value, Decimal):
        return float(value) if not value.is_snan() else float("nan")
    large = isinstance(value, int) and not -(2**63) <= value < 2**64
    return float(value) if isinstance(value, int) and large and abs(value) < 2**1023 else value


def _entry(value: object) -> str:
    """Which entry of a list cannot be sent."""
    for number, item in enumerate(value if isinstance(value, list | tuple) else ()):
        try:
            encode(Reply(item))
        except TypeError:
            return f", entry {number}"
        except (OverflowError, UnicodeEncodeError, RecursionError):
            continue
    return ""


def serve(pipe: socket.socket) -> None:
    """Load the function, then answer jobs until the parent is gone."""
    with contextlib.suppress(EOFError, ConnectionError):
        function, reply = _begin(receive(pipe, Start))
        send(pipe, encode(reply))
        while function is not None:
            job = receive(pipe, Job)
            # a watchdog below Python: it also ends a worker whose code never lets go of the interpreter
            faulthandler.dump_traceback_later(job.timeout_s + GRACE_S, exit=True)
            send(pipe, _answer(function, job))
            faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as _pipe:
        serve(_pipe)
