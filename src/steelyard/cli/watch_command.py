"""`steelyard watch RUN...`: a live page of runs that go on or have ended, on this machine alone."""

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from steelyard.cli.flags import parse
from steelyard.cli.run_directories import RunDirectories
from steelyard.core import checked

_NICE = 10
"""How far the page gives way to the run that it shows."""


@checked()
@dataclass(frozen=True)
class Watch:
    """Show runs live in a browser: their curves, their buffer, and every trajectory in it. The page is served on this
    machine alone, behind a token in its address, until Ctrl-C. It reads what the runs write and changes nothing.
    Several runs are overlaid."""

    runs: RunDirectories = ()
    """Directories of runs or of pipelines, finished or going on."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """Port of the page; 0 takes any that is free."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Serve the page until Ctrl-C."""
    asked = parse(Watch, words, command="watch")
    given = [Path(path) for path in asked.runs]
    from steelyard.report.watch.loopback import HOST, listen, serve
    from steelyard.report.watch.server import make_app

    token = secrets.token_urlsafe(24)
    app = make_app(given, token)
    opened = listen(asked.port)
    os.nice(_NICE)
    address = f"http://{HOST}:{opened.getsockname()[1]}/{token}/"
    print(f"watch: {address}\nCtrl-C ends the page; the runs go on", flush=True)
    try:
        serve(app, opened)
    except KeyboardInterrupt:
        print("the page has ended")
    return {"runs": [str(path) for path in given], "address": address}
