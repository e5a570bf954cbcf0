"""The sources of games.

    gymnasium:FrozenLake-v1          by its id
    textarena:GuessTheNumber-v0      by its id
    openenv:http://127.0.0.1:8000    on a server of this machine
    my_game.py:Maze                  a class or function, whose games have the form of gymnasium

A name whose first word is a source is played as that says; any other is a factory of the user's own.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace

from steelyard.core import SteelyardError, require
from steelyard.task.game import FLAG, Asked, Game
from steelyard.task.gymnasium_game import make_own, make_registered
from steelyard.task.openenv_game import connect_game
from steelyard.task.textarena_game import make_textarena

SOURCES: Mapping[str, Callable[[Asked], Game]] = {
    "gymnasium": make_registered,
    "textarena": make_textarena,
    "openenv": connect_game,
}
"""First word of a name -> what makes its games; an extra of the same name has what it needs."""


def source_of(game: str) -> str:
    """The source of a game; empty for a factory of the user's own."""
    first = game.partition(":")[0]
    return first if first in SOURCES else ""


def open_game(asked: Asked) -> Game:
    """A game, before its first reset.

    Raises:
        SteelyardError: there is no such game, its extra is not installed, or it does not fit.
    """
    source = source_of(asked.name)
    hint = f"write module:factory, path/to/file.py:Class, or {', '.join(f'{name}:...' for name in SOURCES)}"
    require(bool(asked.name), "is missing", where=FLAG, hint=hint)
    if not source:
        return make_own(asked.name, asked)
    return SOURCES[source](replace(asked, name=asked.name.partition(":")[2]))


def first_texts(asked: Asked, seeds: range) -> list[str]:
    """What the player reads first, seed by seed; two games are begun, to see that a seed decides.

    Raises:
        SteelyardError: as for `open_game`; a game raises when it begins, or begins differently with one seed.
    """
    try:
        with closing(open_game(asked)) as one, closing(open_game(asked)) as other:
            texts = [one.reset(seed) for seed in seeds]
            again = other.reset(seeds[0])
    except SteelyardError:
        raise
    except Exception as error:
        said = str(error).strip().partition("\n")[0]
        what = f"{asked.name} cannot begin ({type(error).__name__}: {said})"
        raise SteelyardError(what, where=FLAG, hint="mend it, or name another game") from error
    what = f"{asked.name} begins differently each time with one seed"
    require(again == texts[0], what, where=FLAG, hint="make reset(seed=) decide what is drawn")
    return texts
