"""The one port that Steelyard opens: on loopback, for the live page."""

import socket

import uvicorn
from starlette.applications import Starlette

from steelyard.core import SteelyardError

HOST = "127.0.0.1"


def listen(port: int) -> socket.socket:
    """A socket on loopback; port 0 takes any that is free.

    Raises:
        SteelyardError: the port is taken.
    """
    # The protocol is named, since asyncio turns Nagle's algorithm off for no other: every answer would take 40 ms more.
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind(("127.0.0.1", port))
        opened.listen()  # who asks before the server is ready waits
    except OSError as error:
        opened.close()
        what = f"{port} cannot be used ({error.strerror})"
        raise SteelyardError(what, where="--port", hint="name another, or 0 for any that is free") from error
    return opened


def serve(app: Starlette, opened: socket.socket) -> None:
    """Answer on the socket until the process is asked to stop."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, lifespan="off", ws="none", http="h11",
        loop="asyncio", timeout_graceful_shutdown=1,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[opened])
