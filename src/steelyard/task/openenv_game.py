"""Environments of OpenEnv, on a server of this machine.

A turn's text is the action's one field of text, and the observation's one field of text is what the policy reads;
`--settings` names them where there are several. The server's schemas say which there are. An episode is a session with
an environment of its own. A server that goes away in the middle of an episode ends it without a reward.
Source: OpenEnv 0.10. Needs the extra: pip install 'steelyard[openenv]'.
"""

import importlib.util
import weakref
from collections.abc import Mapping
from typing import Any

from steelyard.core import require
from steelyard.core.json import JsonMapping
from steelyard.task.game import FLAG, SETTINGS, Asked, Told, takes_no_actions
from steelyard.task.openenv_client import Server, Session

_KNOWN = ("action", "observation", "reset")
_FIELDS = """write --settings '{"action": "message", "observation": "prompt"}'"""


class OpenEnvGame:
    """A session with a server. It begins with the first `reset`, and ends when this object is dropped.

    Args:
        server: where it is.
        action: the field that a turn's text goes to.
        observation: the field that the policy reads; empty for the only text there is.
        more: what `reset` is told besides the seed.
    """

    def __init__(self, server: "Server", action: str, observation: str, more: JsonMapping) -> None:
        self._server = server
        self._action = action
        self._observation = observation
        self._more = more
        self._session: Session | None = None

    def reset(self, seed: int) -> str:
        """What the environment shows first."""
        data = {"seed": seed, **self._more}
        if self._session is not None:
            return self._text(self._session.ask("reset", data))
        self._session, first = self._server.begin(data)
        weakref.finalize(self, self._session.close).atexit = False
        return self._text(first)

    def step(self, said: str) -> Told:
        """What the environment says to an action."""
        assert self._session is not None
        told = self._session.ask("step", {self._action: said})
        done = bool(told.get("done"))
        reward = told.get("reward")
        return Told("" if done else self._text(told), 0.0 if reward is None else float(reward), done)

    def close(self) -> None:
        """End the session."""
        if self._session is not None:
            self._session.close()

    def _text(self, told: JsonMapping) -> str:
        seen: JsonMapping = told.get("observation") or {}
        texts = {name: value for name, value in seen.items() if isinstance(value, str)}
        name = self._observation or (next(iter(texts)) if len(texts) == 1 else "")
        what = f"its observation has the texts {', '.join(sorted(texts)) or '(none)'}"
        what = f"{what}, and not {name!r}" if name else what
        require(name in texts, what, where=SETTINGS, hint=_FIELDS)
        return texts[name]


def connect_game(asked: Asked) -> OpenEnvGame:
    """A game of the server that is named.

    Raises:
        SteelyardError: the extra is not installed, the address is not of this machine, nobody answers there, or the
            fields of text are not known.
    """
    takes_no_actions(asked, "an OpenEnv server")
    _check(asked.settings)
    server = Server(asked.name, asked.deadline_s)
    installed = importlib.util.find_spec("websockets") is not None
    require(installed, "websockets is not installed", where=FLAG, hint="pip install 'steelyard[openenv]'")
    action = asked.settings.get("action") or _only_text(server.schema()["action"])
    return OpenEnvGame(server, action, asked.settings.get("observation", ""), asked.settings.get("reset", {}))


def _check(settings: JsonMapping) -> None:
    """See that the settings are fields' names, and what `reset` is told.

    Raises:
        SteelyardError: one is something else.
    """
    for name, value in settings.items():
        what = f"an OpenEnv server is not told {name!r}"
        require(name in _KNOWN, what, where=SETTINGS, hint=f"use {', '.join(_KNOWN)}")
        kind, word = (dict, "an object") if name == "reset" else (str, "the name of a field")
        require(isinstance(value, kind), f"{name!r} is {word}", where=SETTINGS, hint=_FIELDS)


def _only_text(schema: JsonMapping) -> str:
    """The one field of text among an action's.

    Raises:
        SteelyardError: there is none, or several.
    """
    fields: Mapping[str, Any] = schema.get("properties", {})
    texts = [name for name, field in fields.items() if isinstance(field, dict) and field.get("type") == "string"]
    what = f"its actions have the texts {', '.join(sorted(texts)) or '(none)'}"
    require(len(texts) == 1, what, where=SETTINGS, hint=_FIELDS)
    return texts[0]
