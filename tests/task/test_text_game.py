"""Text games: an episode by hand, what is refused before a run, and a run on a game of one's own file."""

import json
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

import steelyard
from steelyard.core import Score, SteelyardError
from steelyard.objective import VarGradTB
from steelyard.runtime import HeldOut, Run
from steelyard.task import TextGame

MAZE = '''
import random


class Countdown:
    """Say a number smaller than the one shown; 1 for each that is, and the end at the first that is not."""

    def __init__(self, start=9):
        self.start = start

    def reset(self, seed=None, options=None):
        self.now = random.Random(seed).randrange(2, self.start + 1)
        return f"{self.now}+", {}

    def step(self, action):
        fits = action.isdigit() and int(action) < self.now
        self.now = int(action) if fits else self.now
        return f"{self.now}+", float(fits), not fits, False, {}


class Random(Countdown):
    def reset(self, seed=None, options=None):
        self.now = random.SystemRandom().randrange(10**12)
        return f"{self.now}+", {}


class Old(Countdown):
    def reset(self, seed=None):
        return super().reset(seed)[0]


class Broken(Countdown):
    def reset(self, seed=None):
        raise KeyError("no board")


class Numbers(Countdown):
    def reset(self, seed=None):
        return [1, 2], {}
'''


@pytest.fixture
def game(tmp_path: Path) -> Path:
    path = tmp_path / "my_game.py"
    path.write_text(MAZE)
    return path


def test_an_episode_by_hand(game: Path) -> None:
    task = TextGame(game=f"{game}:Countdown", settings='{"start": 9}', answer_template="\n{prompt}", games=30)
    prompt = next(prompt for prompt in task.prompts("train") if prompt.text == "5+")
    episode = task.environment(prompt, 0)
    assert episode.reset(prompt) == "5+"
    assert [episode.step(" 4 "), episode.step("1")] == ["\n4+", "\n1+"]
    assert episode.step("1") == Score(2.0)
    cut = task.environment(prompt, 1)
    cut.reset(prompt)
    cut.step("3")
    assert cut.truncate("2") == Score(1.0), "a move that was cut off is not made"


def test_seeds_are_split_and_as_a_chat_the_same_games_are_played(game: Path) -> None:
    task = TextGame(game=f"{game}:Countdown", games=60, first_seed=7)
    split = {name: [prompt.columns["seed"] for prompt in task.prompts(name)] for name in ("train", "held-out")}
    assert sorted([*split["train"], *split["held-out"]]) == [*range(7, 67)]
    assert 0 < len(split["held-out"]) < 20
    assert sum(task.notes.values()) == 60, "eight numbers to begin with"
    told = replace(task, chat=True, system_prompt="Count down.", prompt_template="Now: {prompt}")
    for prompt, chat in zip(task.prompts("train"), told.prompts("train"), strict=True):
        said = [("system", "Count down."), ("user", f"Now: {prompt.text}")]
        assert [(message["role"], message["content"]) for message in chat.text] == said


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"game": ""}, "--game: is missing; write module:factory"),
        ({"game": "nothing:Maze"}, "--game: nothing:Maze cannot be loaded"),
        ({"game": "Random"}, "begins differently each time with one seed"),
        ({"game": "Old"}, "--game: reset returned a str; return (observation, info)"),
        ({"game": "Broken"}, "cannot begin (KeyError: 'no board')"),
        ({"game": "Numbers"}, "--game: it shows a list, not a text; give --settings"),
        ({"settings": "{"}, "--settings: it is not JSON"),
        ({"settings": "[]"}, "--settings: it is not a JSON object"),
        ({"settings": '{"height": 3}'}, "--settings: "),
        ({"actions": "left,right"}, "--actions: it takes actions as texts"),
    ],
)
def test_what_is_refused(game: Path, settings: dict[str, str], says: str) -> None:
    named = settings.get("game", "Countdown")
    task = replace(TextGame(**settings), game=f"{game}:{named}" if named.isidentifier() else named)
    with pytest.raises(SteelyardError) as refused:
        task.prompts("train")
    assert says in str(refused.value)


def test_a_run_on_a_game_of_ones_own(game: Path, tmp_path: Path, tiny_model_dir) -> None:
    run = Run(
        task=TextGame(game=f"{game}:Countdown", games=12, max_turns=3, answer_template="#{prompt}"),
        objective=VarGradTB(beta=0.1),
        model=str(tiny_model_dir("llama")),
        runtime="inline",
        max_steps=2,
        num_prompts=4,
        num_generations=4,
        search_prompts=4,
        max_completion_length=2,
        evaluation=HeldOut(every=2, prompts=2, sampled_prompts=1, samples=2),
        output_dir=str(tmp_path / "run"),
    )
    assert steelyard.train(run).summary["steps"] == 2
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert sum(row["search/errors"] for row in rows) == 0
    assert all(row["learner/grad_norm"] > 0 for row in rows)


def test_the_game_of_the_docs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "environments.md").read_text()
    told = page.partition("gymnasium itself need not be installed:\n\n")[2].partition("\n\nThe base model")[0]
    (tmp_path / "my_game.py").write_text(textwrap.dedent(told))
    task = TextGame(game=f"{tmp_path / 'my_game.py'}:HigherLower", games=40)
    (prompt, *_) = task.prompts("train")
    low = int(str(prompt.text).partition("-")[0])
    episode = task.environment(prompt, 0)
    episode.reset(prompt)
    said = [episode.step(str(guess)) for guess in (low, low + 14, low + 1, low + 2)]
    assert said[:1] in ([Score(1.0)], ["higher "])
    assert any(isinstance(told, Score) for told in said), "four guesses"
