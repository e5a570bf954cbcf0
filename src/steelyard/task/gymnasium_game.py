r"""Games of gymnasium's form: `reset(seed=)` and `step(action)`, which return what the player sees.

    observation, info = env.reset(seed=7)
    observation, reward, terminated, truncated, info = env.step(action)

The observation is a text, or else the environment draws itself as one (`render_mode="ansi"`); there coloured letters,
as the player's place in FrozenLake, are put in brackets: "\x1b[41mS\x1b[0mFFF" reads "[S]FFF". An action is the turn's
text without spaces around it. Where actions are numbers, it is the last word of the turn that names a choice, and a
turn that names none is answered by their list, and is no move.
Source: gymnasium, Env. Whoever names one of its own needs the extra: pip install 'steelyard[gymnasium]'.
"""

import importlib.util
import re
from typing import Any

from steelyard.core import SteelyardError, first_line, require
from steelyard.task.game import FLAG, SETTINGS, Asked, Told
from steelyard.task.loaded import load_callable

_COLOURED = re.compile(r"\x1b\[[0-9;]+m(.*?)\x1b\[0?m", re.DOTALL)
_ANSI = """give --settings '{"render_mode": "ansi"}', or an environment that shows texts"""
_RESET = "return (observation, info) from reset(seed=None, options=None)"
_STEP = "return (observation, reward, terminated, truncated, info) from step(action)"


class GymnasiumGame:
    """An environment of gymnasium's form.

    Args:
        env: the environment.
        names: of its choices, in the order of their numbers; empty for their numbers, and where actions are texts.
    """

    def __init__(self, env: Any, names: tuple[str, ...]) -> None:
        self._env = env
        self._names = _choices(env, names)

    def reset(self, seed: int) -> str:
        """What the environment shows first."""
        made = self._env.reset(seed=seed)
        fits = isinstance(made, tuple) and len(made) == 2
        require(fits, f"reset returned {_form(made)}", where=FLAG, hint=_RESET)
        return self._shown(made[0])

    def step(self, said: str) -> Told:
        """What follows the action that was said."""
        action = self._action(said)
        if action is None:
            return Told(f"Say one of {', '.join(self._names)}.", 0.0, False)
        made = self._env.step(action)
        fits = isinstance(made, tuple) and len(made) == 5
        require(fits, f"step returned {_form(made)}", where=FLAG, hint=_STEP)
        seen, reward, terminated, truncated, _ = made
        done = bool(terminated or truncated)
        return Told("" if done else self._shown(seen), float(reward), done)

    def close(self) -> None:
        """End the environment, where it can be."""
        if hasattr(self._env, "close"):
            self._env.close()

    def _action(self, said: str) -> Any:
        """What the environment takes; None where no choice is named."""
        if not self._names:
            return said.strip()
        words = "|".join(re.escape(name) for name in sorted(self._names, key=len, reverse=True))
        named = re.findall(rf"(?<!\w)(?:{words})(?!\w)", said, re.IGNORECASE)
        if not named:
            return None
        first = int(getattr(self._env.action_space, "start", 0))
        return first + [name.lower() for name in self._names].index(named[-1].lower())

    def _shown(self, seen: Any) -> str:
        if not isinstance(seen, str) and getattr(self._env, "render_mode", None) == "ansi":
            seen = self._env.render()
        require(isinstance(seen, str), f"it shows a {type(seen).__name__}, not a text", where=FLAG, hint=_ANSI)
        return _COLOURED.sub(r"[\1]", seen)


def make_own(factory: str, asked: Asked) -> GymnasiumGame:
    """A game of the user's own factory, which is given the settings.

    Raises:
        SteelyardError: it cannot be loaded, does not take the settings, or its actions do not fit.
    """
    made = load_callable(factory, FLAG)
    try:
        env = made(**asked.settings)
    except TypeError as error:
        what = f"{factory} cannot be made ({first_line(error)})"
        raise SteelyardError(what, where=SETTINGS, hint="give the arguments that it takes, as a JSON object") from error
    return GymnasiumGame(env, asked.actions)


def make_registered(asked: Asked) -> GymnasiumGame:
    """A game that gymnasium knows by its id; `module:id` imports the module first.

    Raises:
        SteelyardError: the extra is not installed, there is no such environment, or its actions do not fit.
    """
    installed = importlib.util.find_spec("gymnasium") is not None
    require(installed, "gymnasium is not installed", where=FLAG, hint="pip install 'steelyard[gymnasium]'")
    import gymnasium

    try:
        env = gymnasium.make(asked.name, disable_env_checker=True, **asked.settings)
    except (gymnasium.error.Error, ImportError, ValueError, TypeError) as error:
        what = f"gymnasium cannot make {asked.name!r} ({first_line(error)})"
        raise SteelyardError(what, where=FLAG, hint="name a registered id, such as FrozenLake-v1") from error
    return GymnasiumGame(env, asked.actions)


def _choices(env: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of an environment's choices, or their numbers; none where actions are texts.

    Raises:
        SteelyardError: there are more or fewer names than choices, or actions are neither choices nor texts.
    """
    space = getattr(env, "action_space", None)
    if space is None or type(space).__name__ == "Text":
        require(not names, "it takes actions as texts", where="--actions", hint="leave it out")
        return ()
    number = getattr(space, "n", None)
    require(
        isinstance(getattr(space, "n", None), int) or hasattr(number, "__index__"),
        f"it takes {space}",
        where=FLAG,
        hint="take an environment whose actions are texts, or one choice of several",
    )
    number = int(number)  # pyright: ignore[reportArgumentType]
    fits = len(names) in (0, number) and len({name.lower() for name in names}) == len(names)
    what = f"{len(names)} names for {number} choices"
    require(fits, what, where="--actions", hint="name each once, in the order of their numbers")
    return names or tuple(map(str, range(number)))


def _form(made: object) -> str:
    return f"{len(made)} values" if isinstance(made, tuple) else f"a {type(made).__name__}"
