"""A server of the real OpenEnv: python openenv_server.py PORT SESSIONS. It counts down, as `test_text_game` does."""

import random
import sys
from uuid import uuid4

import uvicorn
from openenv.core.env_server.http_server import create_fastapi_app
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import Action, Observation, State


class Said(Action):
    message: str


class Seen(Observation):
    shown: str = ""
    left: int = 0


class Countdown(Environment):
    """Say a number smaller than the one shown; 1 for each that is, and the end at the first that is not."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self):
        super().__init__()
        self._state = State(episode_id=str(uuid4()), step_count=0)
        self.now = 0

    def reset(self, seed=None, episode_id=None, start=9):
        self.now = random.Random(seed).randrange(2, start + 1)
        return Seen(shown=f"{self.now}+", left=self.now)

    def step(self, action, timeout_s=None):
        if action.message == "fail":
            raise RuntimeError("the board broke")
        fits = action.message.isdigit() and int(action.message) < self.now
        self.now = int(action.message) if fits else self.now
        return Seen(shown=f"{self.now}+", left=self.now, reward=float(fits), done=not fits)

    @property
    def state(self):
        return self._state


if __name__ == "__main__":
    app = create_fastapi_app(Countdown, Said, Seen, max_concurrent_envs=int(sys.argv[2]))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
