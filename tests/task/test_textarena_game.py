"""Games of the real TextArena, where it is installed: make test-environments."""

from importlib.util import find_spec

import pytest

from steelyard.core import Score, SteelyardError
from steelyard.task import TextGame
from steelyard.task.game import Asked, Told
from steelyard.task.games import first_texts, open_game
from steelyard.task.textarena_game import TextArenaGame

here = pytest.mark.skipif(find_spec("textarena") is None, reason="textarena is not installed")


def asked(name: str) -> Asked:
    return Asked(f"textarena:{name}", {}, (), 30.0)


@here
def test_guessing_by_hand() -> None:
    task = TextGame(game="textarena:GuessTheNumber-v0", games=20, max_turns=20)
    (prompt, *_) = task.prompts("train")
    assert "guess the number between 1 and 20" in prompt.text
    episode = task.environment(prompt, 0)
    assert episode.reset(prompt) == prompt.text
    low, high, told = 1, 20, ""
    while not isinstance(told, Score):
        guess = (low + high) // 2
        told = episode.step(f"I say [{guess}].")
        if told == "The target number is higher.":
            low = guess + 1
        elif told == "The target number is lower.":
            high = guess - 1
    assert told == Score(1.0)


@here
def test_an_unreadable_move_is_answered_and_the_second_ends_it() -> None:
    game = open_game(asked("GuessTheNumber-v0"))
    game.reset(1)
    told = game.step("seven")
    assert told.text.startswith("You attempted an invalid move.")
    assert not told.done
    assert game.step("seven") == Told("", 0.0, True)


@here
def test_games_side_by_side_draw_what_they_draw_alone() -> None:
    moves = ("left", "up", "right", "down") * 3

    def played(*games: TextArenaGame) -> list[list[str]]:
        said = [[game.reset(5 + n)] for n, game in enumerate(games)]
        for move in moves:
            for told, game in zip(said, games, strict=True):
                told.append(game.step(f"[{move}]").text)
        return said

    alone = played(open_game(asked("2048-v0")))
    beside, _ = played(open_game(asked("2048-v0")), open_game(asked("2048-v0")))
    assert [beside] == alone


@here
@pytest.mark.parametrize(
    ("name", "says"),
    [("Nothing-v0", "TextArena cannot make 'Nothing-v0'"), ("TicTacToe-v0", "cannot begin (AssertionError: ")],
)
def test_what_is_refused(name: str, says: str) -> None:
    with pytest.raises(SteelyardError) as refused:
        first_texts(asked(name), range(2))
    assert says in str(refused.value)


@pytest.mark.skipif(find_spec("textarena") is not None, reason="textarena is installed")
def test_where_it_is_not_installed_its_extra_is_named() -> None:
    with pytest.raises(SteelyardError, match=r"textarena is not installed; pip install 'steelyard\[textarena\]'"):
        TextGame(game="textarena:GuessTheNumber-v0").prompts("train")
