"""The server of the live page: on loopback alone, behind a token, read-only.

What it refuses: another address than this machine's own name (a foreign page that points a name of its own here), a
path without the token (any other user or page of this machine), and every method that could change something.
"""

import functools
import secrets
from collections.abc import Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from steelyard.core import SteelyardError
from steelyard.report.watch.asked import chosen_runs, number, rows_asked
from steelyard.report.watch.browser import Browser
from steelyard.report.watch.live_page import LivePage
from steelyard.report.watch.loopback import HOST
from steelyard.report.watch.pipeline_values import pipeline_values
from steelyard.report.watch.watched import Watched
from steelyard.runtime import to_json

_PAGE = Path(__file__).parent / "page"
_TEMPLATES = Path(__file__).parent.parent / "templates"
HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guarded:
    """Answers 403 to a path that does not begin with the token, and puts the protecting headers on every answer."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        if scope["type"] != "http":
            return
        given = str(scope["path"]).split("/")[1]
        known = secrets.compare_digest(given.encode("utf-8", "replace"), self._token)
        answer = self._app if known else PlainTextResponse("The token in the address is missing or wrong.\n", 403)
        await answer(scope, receive, guarded)


class Json(Response):
    """Values as JSON in plain ASCII, so that half a character, which a model may well write, is no obstacle."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """The bytes of the answer."""
        return to_json(content).encode("ascii")


class _Answers:
    """What each address answers."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._page = LivePage(watched)
        self._browser_of = functools.cache(lambda run: Browser(run.directory, run.look().records.config))

    def runs(self, request: Request) -> Response:
        """The watched runs: name, directory, and whether they have a buffer; and how many pipelines there are."""
        self._watched.renew()
        told = [
            {"name": name, "directory": str(run.directory), "buffer": self._browser_of(run).exists}
            for name, run in zip(self._watched.names, self._watched.runs, strict=True)
        ]
        return Json({"runs": told, "pipelines": len(self._watched.pipelines)})

    def pipelines(self, request: Request) -> Response:
        """Heading and sections of each pipeline."""
        return Json({"pages": pipeline_values(self._watched)})

    def curves(self, request: Request) -> Response:
        """Heading and sections of the chosen runs."""
        chosen = chosen_runs(request.query_params.get("runs", ""), len(self._watched.runs))
        return Json(self._page.values(chosen, request.query_params.get("seen", "")))

    def rows(self, request: Request) -> Response:
        """A page of trajectories."""
        return Json(self._browser(request).page(rows_asked(request.query_params)))

    def trajectory(self, request: Request) -> Response:
        """One trajectory in full."""
        return Json(self._browser(request).trajectory(number(str(request.path_params["seq"]), "seq")))

    def buffer(self, request: Request) -> Response:
        """What a buffer is made of."""
        return Json(self._browser(request).buffer())

    def _browser(self, request: Request) -> Browser:
        runs = self._watched.runs
        return self._browser_of(runs[number(str(request.path_params["run"]), "run", most=len(runs) - 1)])


def make_app(directories: Sequence[Path], token: str) -> Starlette:
    """The application that shows these runs to those who know the token.

    Raises:
        SteelyardError: one of the directories is neither a run's nor a pipeline's.
    """
    answers = _Answers(Watched(directories))
    routes = [
        Route("/", lambda request: FileResponse(_PAGE / "index.html")),
        Route("/report.css", lambda request: FileResponse(_TEMPLATES / "style.css")),
        Route("/dark.css", _dark),
        Route("/api/runs", answers.runs),
        Route("/api/pipelines", answers.pipelines),
        Route("/api/curves", answers.curves),
        Route("/api/runs/{run}/rows", answers.rows),
        Route("/api/runs/{run}/rows/{seq}", answers.trajectory),
        Route("/api/runs/{run}/buffer", answers.buffer),
        Mount("/page", StaticFiles(directory=_PAGE)),
    ]
    guards = [Middleware(Guarded, token=token), Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])]
    return Starlette(
        routes=[Mount(f"/{token}", routes=routes)], middleware=guards, exception_handlers={SteelyardError: _told}
    )


def _dark(request: Request) -> Response:
    """The report's dark colours, for whoever chooses them on the page."""
    colours = (_TEMPLATES / "dark.css").read_text("utf-8")
    return Response(f':root[data-theme="dark"] {{\n{colours}}}\n', media_type="text/css")


def _told(request: Request, error: Exception) -> Response:
    """A wrong question, or a run that cannot be read, in one line."""
    return Json({"error": str(error)}, status_code=400)
