"""HTTP to a vLLM server of this machine: one connection for each request, each under a deadline.

A server is at `http://127.0.0.1:PORT` or at a socket in the file system, `unix:/PATH`. The key that it may ask for is
in the environment variable `VLLM_API_KEY`, by which vLLM itself takes it. No proxy is asked.
"""

import http.client
import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from steelyard.core import SteelyardError, first_line, require
from steelyard.core.json import JsonObject
from steelyard.core.this_machine import address_in, is_here

KEY = "VLLM_API_KEY"
LARGEST = 1 << 28
"""Bytes of the longest answer."""
UNIX = "unix:"


class ServerLostError(RuntimeError):
    """A server is gone, silent or broken. It is nobody's mistake: whoever asks again later may find another one."""


class ServerBrokenError(ServerLostError):
    """A server answers that it is broken, with 500 or more."""

    def __init__(self, url: str, said: str) -> None:
        super().__init__(f"{url} is broken: {said}")
        self.said = f"{url} says: {said}"


class ServerRefusesError(RuntimeError):
    """A server is there and refuses what it was asked, or answers in another language."""


class VllmClient:
    """Asks one server. Threads may ask side by side.

    Args:
        url: where it is.
        deadline_s: seconds that an answer may take, unless a request says otherwise.
        key: what it asks for; None for the variable of the environment, if there is one.

    Raises:
        SteelyardError: the address is none, or not of this machine.
    """

    def __init__(self, url: str, deadline_s: float, key: str | None = None) -> None:
        self._connection = _way_to(url)
        self.url = url
        self.deadline_s = deadline_s
        key = os.environ.get(KEY) if key is None else key
        self._headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        self._open: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()

    def get(self, path: str, *, deadline_s: float | None = None) -> JsonObject:
        """What the server says of something; see `_object` and `_ask`."""
        return self._object(path, self._ask("GET", path, None, deadline_s))

    def post(
        self, path: str, body: Mapping[str, object] | None = None, *, deadline_s: float | None = None
    ) -> JsonObject:
        """What the server says to something; see `_object` and `_ask`."""
        return self._object(path, self._ask("POST", path, _json(body), deadline_s))

    def tell(self, path: str, body: Mapping[str, object], *, deadline_s: float | None = None) -> None:
        """Have the server do something, whatever words it says to that; see `_ask`."""
        self._ask("POST", path, _json(body), deadline_s)

    def hang_up(self) -> None:
        """End all requests that are under way; the server stops to work on them."""
        with self._lock:
            under_way = list(self._open)
        for connection in under_way:
            if connection.sock is not None:
                with suppress(OSError):  # it has ended by itself
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def _ask(self, method: str, path: str, data: bytes | None, deadline_s: float | None) -> bytes:
        """The server's answer.

        Raises:
            ServerLostError: it cannot be reached, went away, says nothing, or is broken (an answer of 500 or more).
            ServerRefusesError: any other answer than 200.
        """
        limit_s = self.deadline_s if deadline_s is None else deadline_s
        connection = self._connection(timeout=limit_s)
        with self._lock:
            self._open.add(connection)
        try:
            connection.request(method, path, data, self._headers)
            with connection.getresponse() as answer:  # else an answer that is cut keeps its socket
                found = answer.read(LARGEST)
        except TimeoutError as error:
            raise ServerLostError(f"{self.url} said nothing to {path} for {limit_s:.3g} s") from error
        except (OSError, http.client.HTTPException) as error:
            said = getattr(error, "strerror", None) or first_line(error) or type(error).__name__
            raise ServerLostError(f"{self.url} cannot be reached, or went away during {path} ({said})") from error
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()
        if answer.status >= 500:
            raise ServerBrokenError(self.url, f"{_said(found)} ({answer.status} at {path})")
        if answer.status != 200:
            raise ServerRefusesError(f"{self.url} says: {_said(found)} ({answer.status} at {path})")
        return found

    def _object(self, path: str, data: bytes) -> JsonObject:
        """The object in an answer.

        Raises:
            ServerRefusesError: it is no object.
        """
        found = _parsed(data) if data else {}
        if not isinstance(found, dict):
            raise ServerRefusesError(f"{self.url} answers {path} with something that is no object")
        return found


class _UnixConnection(http.client.HTTPConnection):
    """A connection through a socket in the file system."""

    def __init__(self, path: str, *, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Open it."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _way_to(url: str) -> Callable[..., http.client.HTTPConnection]:
    """What makes connections to an address, each with a `timeout`.

    Raises:
        SteelyardError: it is no address, or not of this machine.
    """
    if url.startswith(UNIX) and len(url) > len(UNIX):
        return partial(_UnixConnection, url.removeprefix(UNIX))
    found = address_in(url, ("http",))
    if found is None or found[2]:
        hint = "write http://127.0.0.1:8000, or unix:/path/of/socket"
        raise SteelyardError(f"{url!r} is no address of a server", where="--vllm.url", hint=hint)
    hint = "start the server on this machine: weights reach it through a file in its memory"
    require(is_here(found[0]), f"{found[0]} is not this machine", where="--vllm.url", hint=hint)
    return partial(http.client.HTTPConnection, *found[:2])


def _json(body: Mapping[str, object] | None) -> bytes:
    return json.dumps(body or {}).encode()


def _parsed(data: bytes) -> Any:
    """What an answer says; None where it is no JSON."""
    try:
        return json.loads(data)
    except ValueError:
        return None


def _said(data: bytes) -> str:
    """The message in an answer that is an error, in one line."""
    found = _parsed(data)
    error = found.get("error", found.get("detail")) if isinstance(found, dict) else None
    text = error.get("message") if isinstance(error, dict) else error
    return " ".join(str(text or "nothing more").split())[:300]
