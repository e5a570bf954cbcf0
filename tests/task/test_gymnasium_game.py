"""Games of the real gymnasium: FrozenLake as text, choices by name, and an environment with texts of its own."""

import pytest

from steelyard.core import Score, SteelyardError
from steelyard.task import TextGame
from steelyard.task.game import Asked, Told
from steelyard.task.games import open_game

gymnasium = pytest.importorskip("gymnasium")

LAKE = {"render_mode": "ansi", "is_slippery": False}
WAYS = ("left", "down", "right", "up")


def lake(**changed):
    return open_game(Asked("gymnasium:FrozenLake-v1", {**LAKE, **changed.pop("settings", {})}, WAYS, 30.0, **changed))


def test_the_lake_is_walked_in_words() -> None:
    game = lake()
    assert game.reset(0).split() == ["[S]FFF", "FHFH", "FFFH", "HFFG"]
    told = game.step("Not right: I go Down.")
    assert told.text.split()[1:] == ["SFFF", "[F]HFH", "FFFH", "HFFG"]
    assert game.step("hm") == Told("Say one of left, down, right, up.", 0.0, False)
    for way in ("down", "right", "right", "down"):
        told = game.step(way)
        assert not told.done
    assert game.step("right") == Told("", 1.0, True)
    game.close()


def test_numbers_where_choices_have_no_names() -> None:
    game = open_game(Asked("gymnasium:FrozenLake-v1", LAKE, (), 30.0))
    game.reset(0)
    assert "[F]HFH" in game.step("1").text
    assert game.step("4").text == "Say one of 0, 1, 2, 3."


def test_an_episode_of_the_task() -> None:
    settings = '{"render_mode": "ansi", "is_slippery": false}'
    task = TextGame(game="gymnasium:FrozenLake-v1", settings=settings, actions="left,down,right,up", games=20)
    assert task.extra == "gymnasium"
    (prompt, *_) = task.prompts("train")
    episode = task.environment(prompt, 0)
    episode.reset(prompt)
    assert "[F]" in episode.step("right")
    assert episode.step("down") == Score(0.0), "a hole"


class Parrot(gymnasium.Env):
    """Wants to hear its own word."""

    observation_space = gymnasium.spaces.Text(20)
    action_space = gymnasium.spaces.Text(20)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.word = str(self.np_random.integers(100))
        return self.word, {}

    def step(self, action):
        return "again", float(action == self.word), action == self.word, False, {}


def test_a_registered_environment_of_texts_with_a_limit_of_its_own() -> None:
    gymnasium.register("Parrot-v0", entry_point=Parrot, max_episode_steps=2)
    game = open_game(Asked("gymnasium:Parrot-v0", {}, (), 30.0))
    word = game.reset(3)
    assert game.reset(3) == word
    assert game.step("nothing") == Told("again", 0.0, False)
    assert game.step(f" {word}\n") == Told("", 1.0, True)
    game.reset(4)
    assert [game.step("no").done, game.step("no").done] == [False, True]


@pytest.mark.parametrize(
    ("name", "settings", "actions", "says"),
    [
        ("FrozenLake-v9", {}, (), "--game: gymnasium cannot make 'FrozenLake-v9'"),
        ("FrozenLake-v1", {"holes": 3}, (), "--game: gymnasium cannot make 'FrozenLake-v1'"),
        ("FrozenLake-v1", {}, ("left", "right"), "--actions: 2 names for 4 choices; name each once"),
        ("Pendulum-v1", {}, (), "--game: it takes Box(-2.0, 2.0, (1,), float32); take an environment"),
    ],
)
def test_what_is_refused(name: str, settings: dict, actions: tuple[str, ...], says: str) -> None:
    with pytest.raises(SteelyardError) as refused:
        open_game(Asked(f"gymnasium:{name}", settings, actions, 30.0))
    assert says in str(refused.value)


def test_an_environment_without_text_is_refused_when_it_begins() -> None:
    with pytest.raises(SteelyardError, match="it shows a int, not a text; give --settings"):
        open_game(Asked("gymnasium:FrozenLake-v1", {}, (), 30.0)).reset(0)
