r"""A game that is played in text: each turn of the policy is a move, and what the game says to it is read.

    prompt      what the game shows first, where its seed decides what is drawn
    turn        a move                                          answered by what the game shows next

    r(y | x) = sum_t (what the game of x's seed pays for move t of y)                       at the end of the episode

    --game gymnasium:FrozenLake-v1 | textarena:GuessTheNumber-v0 | openenv:http://127.0.0.1:8000 | my_game.py:Maze

A prompt is a seed: its samples play the same game, and held-out seeds are not played in training. Games of which all
begin alike differ in what they hide. A game that begins differently with one seed is refused. Where a limit ends an
episode, its reward is what it has so far. A game that raises, or is late, ends its episode without a reward.
Each sample has a game of its own, in the searcher's process; an OpenEnv server has them in its own.
Source: gymnasium's Env; TextArena, arXiv:2504.11442; OpenEnv 0.10.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, ClassVar

from msgspec import Meta

from steelyard.core import (
    Environment,
    Episode,
    Observation,
    Positive,
    PositiveInt,
    Prompt,
    Score,
    ShareInside,
    method,
    outcomes,
)
from steelyard.task.base import PlainText, PromptTemplate, Text, fill, split_by_hash, take_split, worded
from steelyard.task.game import FLAG, SETTINGS, Asked, Game
from steelyard.task.games import first_texts, open_game, source_of
from steelyard.task.loaded import read_object
from steelyard.task.rows import NO_FILE

Games = Annotated[int, Meta(ge=2)]
ALIKE = "seeds whose game begins like another's"


@method("text-game", exemptions=dict.fromkeys(NO_FILE, "without a game there are no prompts"))
@dataclass(frozen=True)
class TextGame:
    """A game of gymnasium's form, of TextArena, or of an OpenEnv server."""

    OWN_DATA: ClassVar[str] = "--game my_game.py:Maze"

    game: str = ""
    """my_game.py:Maze or module:factory, whose games have gymnasium's reset and step; or gymnasium:ID, textarena:ID,
    openenv:http://127.0.0.1:8000."""
    settings: str = "{}"
    """What the game is made with, as JSON: '{"render_mode": "ansi"}'. An OpenEnv server is asked with
    '{"action": FIELD, "observation": FIELD, "reset": {...}}'."""
    actions: str = ""
    """Names of the choices of a game whose actions are numbers, in their order: left,down,right,up."""
    games: Games = 256
    """Games, each of a seed."""
    first_seed: Annotated[int, Meta(ge=0)] = 0
    """Seed of the first game; those that follow count up."""
    held_out_share: ShareInside = 0.1
    """Share of the games held out of training, chosen by hash of the seed."""
    max_turns: PositiveInt = 8
    """Moves of the policy in an episode."""
    deadline_s: Positive = 30.0
    """Seconds that the game may take for an answer."""
    prompt_template: PromptTemplate = "{prompt}"
    r"""Text around what the game shows first, for example "{prompt}\nMove: ". On the command line \n, \t and \\ are a
    line break, a tab and a backslash."""
    answer_template: PromptTemplate = "{prompt}"
    r"""Text around what the game says to a move, for example "\n{prompt}\nMove: "."""
    chat: bool = False
    """Make what the game says the messages of a user, which the model's chat template renders."""
    system_prompt: PlainText = ""
    """Message of the system before a chat; empty for none. Escapes as in --prompt-template."""

    @property
    def extra(self) -> str:
        """The extra that the game needs; empty for one of the user's own."""
        return source_of(self.game)

    @property
    def notes(self) -> Mapping[str, int]:
        """How many games begin alike, as far as there are any."""
        texts = Counter(str(prompt.text) for split in self._splits.values() for prompt in split)
        alike = sum(number for number in texts.values() if number > 1)
        return {ALIKE: alike} if alike else {}

    def prompts(self, split: str) -> Sequence[Prompt]:
        """What the games of a split show first, each with its `seed`.

        Raises:
            SteelyardError: there is no such game, its extra is not installed, or it cannot begin.
        """
        return take_split(self._splits, split)

    def environment(self, prompt: Prompt, sample: int) -> Environment:
        """A game with the prompt's seed."""
        return Playing(self, open_game(self._asked))

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """What the games paid."""
        return outcomes(episodes)

    def first(self, text: str, seed: int) -> Text:
        """What the policy reads first."""
        return worded(text, self.prompt_template, self.chat, self.system_prompt, f"seed {seed}")

    def told(self, text: str) -> Observation:
        """What the policy reads after a move."""
        return fill(self.answer_template, text)

    @cached_property
    def _asked(self) -> Asked:
        hint = """write a JSON object such as {"render_mode": "ansi"}"""
        names = tuple(name.strip() for name in self.actions.split(",")) if self.actions else ()
        return Asked(self.game, read_object(self.settings, SETTINGS, hint), names, self.deadline_s)

    @cached_property
    def _splits(self) -> Mapping[str, Sequence[Prompt]]:
        seeds = range(self.first_seed, self.first_seed + self.games)
        made = zip(seeds, first_texts(self._asked, seeds), strict=True)
        prompts = [
            (f"seed {seed}", Prompt(f"seed {seed}", self.first(text, seed), {"seed": seed})) for seed, text in made
        ]
        return split_by_hash(prompts, self.held_out_share, where=FLAG)


class Playing:
    """One episode with one game.

    Args:
        task: says how what the game says is put.
        game: a game that nobody else plays.
    """

    def __init__(self, task: TextGame, game: Game) -> None:
        self._task = task
        self._game = game
        self._paid = 0.0

    def reset(self, prompt: Prompt) -> Observation:
        """What the game shows first, which is the prompt's text."""
        seed = int(prompt.columns["seed"])  # pyright: ignore[reportArgumentType]
        first = self._task.first(self._game.reset(seed), seed)
        if first != prompt.text:
            raise ValueError(f"the game of seed {seed} begins otherwise than it did when its prompt was made")
        return first

    def step(self, completion: str) -> Observation | Score:
        """What the game says to a move, or the end with all that it paid."""
        told = self._game.step(completion)
        self._paid += told.reward
        return self._end() if told.done else self._task.told(told.text)

    def truncate(self, completion: str) -> Score:
        """What the game has paid so far; a move that was cut off is not made."""
        return self._end()

    def _end(self) -> Score:
        self._game.close()
        return Score(self._paid)
