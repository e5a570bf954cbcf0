"""OpenEnv's protocol, as a client of a server on this machine.

    GET /schema                      the schemas of actions and observations
    ws://127.0.0.1:8000/ws           one connection is one session, with an environment of its own
    -> {"type": "reset", "data": {"seed": 7}}
    <- {"type": "observation", "data": {"observation": {"prompt": "..."}, "reward": null, "done": false}}
    -> {"type": "step", "data": {"message": "..."}}
    <- {"type": "error", "data": {"message": "...", "code": "EXECUTION_ERROR"}}

Every wait has a deadline. A server without a free session is asked again for a while: one that was left ends a little
later.
Differs from OpenEnv's client: other addresses than this machine's are refused, and no proxy is asked.
Source: OpenEnv 0.10, `http_server.py` and `env_client.py`.
"""

import http.client
import json
import time
from contextlib import ExitStack, suppress
from importlib import import_module
from typing import Any

from steelyard.core import SteelyardError, first_line, require
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.core.this_machine import address_in, is_here
from steelyard.task.game import FLAG

SLOT_S = 5.0
"""How long a server without a free session is asked again (seconds)."""
GOODBYE_S = 0.2
"""How long a server may take to answer a goodbye (seconds)."""
LARGEST = 1 << 24
"""Bytes of the longest message."""
_URL = "write openenv:http://127.0.0.1:8000"
_FULL = "CAPACITY_REACHED"


class Server:
    """A server on this machine.

    Args:
        url: `http://HOST:PORT`, perhaps with a path, or `ws://`.
        deadline_s: seconds that a wait may take.

    Raises:
        SteelyardError: it is no such address, or not of this machine.
    """

    def __init__(self, url: str, deadline_s: float) -> None:
        found = address_in(url, ("http", "ws"))
        if found is None:
            raise SteelyardError(f"{url!r} is no address", where=FLAG, hint=_URL)
        host, port, path = found
        hint = "start the server on this machine, or forward its port to it"
        require(is_here(host), f"{host} is not this machine", where=FLAG, hint=hint)
        self.url = url
        self.deadline_s = deadline_s
        self._place = (host, port)
        self._path = path

    @property
    def session_url(self) -> str:
        """Where sessions begin."""
        host, port = self._place
        return f"ws://{f'[{host}]' if ':' in host else host}:{port}{self._path}/ws"

    def schema(self) -> JsonObject:
        """The schemas of its actions and observations.

        Raises:
            SteelyardError: nobody answers there, or no OpenEnv server.
        """
        hint = "start the server first, and name its address"
        try:
            connection = http.client.HTTPConnection(*self._place, timeout=self.deadline_s)
            try:
                connection.request("GET", f"{self._path}/schema")
                answer = connection.getresponse()
                found = json.loads(answer.read(LARGEST))
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            what = f"no server answers at {self.url} ({type(error).__name__}: {first_line(error)})"
            raise SteelyardError(what, where=FLAG, hint=hint) from error
        except ValueError as error:
            raise SteelyardError(f"{self.url} is no OpenEnv server", where=FLAG, hint=hint) from error
        fits = answer.status == 200 and isinstance(found, dict) and isinstance(found.get("action"), dict)
        require(fits, f"{self.url} is no OpenEnv server", where=FLAG, hint=hint)
        return found

    def begin(self, data: JsonMapping) -> "tuple[Session, JsonMapping]":
        """A session, and what its first reset says; a server without room is asked again for a while.

        Raises:
            OSError: the server is gone, says nothing, or has no room.
            ValueError: it says that something is wrong.
        """
        until = time.monotonic() + min(SLOT_S, self.deadline_s / 2)
        while True:
            session = Session(self)
            try:
                return session, session.ask("reset", data)
            except FullError:
                session.close()
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)


class FullError(ConnectionError):
    """A server takes no further session."""


class Session:
    """A connection to a server."""

    def __init__(self, server: Server) -> None:
        websockets: Any = import_module("websockets.sync.client")
        failures = import_module("websockets.exceptions").WebSocketException
        self._server = server
        self._opened = ExitStack()
        limits = {"open_timeout": server.deadline_s, "close_timeout": GOODBYE_S, "max_size": LARGEST}
        try:
            self._socket = self._opened.enter_context(websockets.connect(server.session_url, proxy=None, **limits))
        except (OSError, failures) as error:
            what = f"the server at {server.url} cannot be reached ({type(error).__name__}: {first_line(error)})"
            raise ConnectionError(what) from error

    def ask(self, kind: str, data: JsonMapping) -> JsonMapping:
        """What the server says to a message.

        Raises:
            OSError: the server is gone, says nothing, or has no room.
            ValueError: it says that something is wrong.
        """
        closed = import_module("websockets.exceptions").ConnectionClosed
        try:
            with suppress(closed):  # a server that hangs up says why before
                self._socket.send(json.dumps({"type": kind, "data": dict(data)}))
            said = self._socket.recv(timeout=self._server.deadline_s)
        except TimeoutError as error:
            what = f"the server at {self._server.url} said nothing to {kind} for {self._server.deadline_s:g} s"
            raise TimeoutError(what) from error
        except (closed, OSError) as error:
            what = f"the server at {self._server.url} went away during {kind} ({first_line(error)})"
            raise ConnectionError(what) from error
        return _observed(said, self._server.url)

    def close(self) -> None:
        """End the session; a server that is gone needs no goodbye."""
        self._opened.close()


def _observed(said: str | bytes, url: str) -> JsonMapping:
    """The observation in a message.

    Raises:
        FullError: the server has no room.
        ValueError: it says that something is wrong, or it is no message of OpenEnv.
    """
    found = json.loads(said)
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, dict):
        raise ValueError(f"the server at {url} said something that is no message of OpenEnv")
    if found.get("type") == "error":
        told = f"the server at {url} says: {data.get('message')} ({data.get('code')})"
        if data.get("code") == _FULL:
            raise FullError(f"{told}; start it with max_concurrent_envs of all episodes at once")
        raise ValueError(told)
    return data
