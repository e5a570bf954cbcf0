"""Products of two numbers of two digits, and a calculator to call: the smallest task with a tool.

    r(y | a*b) = [ last turn of y  ==  a b ]

    calculate(expression)                                  the tool, as the chat template shows it
    user        37*46
    assistant   <tool_call>{"name": "calculate", "arguments": {"expression": "37*46"}}</tool_call>
    tool        1702
    assistant   1702                                       a turn without a call is the answer

The base model (`steelyard build-base calculator`) mostly answers at once, with the product to the nearest hundred,
which is right about one time in a hundred, and calls the calculator now and then: post-training selects that habit.
Source: none, this world is ours.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.core import Episode, PositiveInt, Prompt, Score, hash_share, method
from steelyard.task.base import SPLITS, take_split
from steelyard.task.tool_use import UsesTools

HELD_OUT_SHARE = 0.1
_SUM = re.compile(r"(\d{1,6})([-+*])(\d{1,6})")


class PocketCalculator:
    """What the policy may call."""

    def reset(self, **row: object) -> None:
        """Nothing is kept from one episode to the next."""

    def calculate(self, expression: str) -> str:
        """Work out one sum, difference or product.

        Args:
            expression: Two whole numbers with +, - or * between them.
        """
        found = _SUM.fullmatch(expression)
        if found is None:
            raise ValueError("write two whole numbers with +, - or * between them")
        first, sign, second = int(found[1]), found[2], int(found[3])
        return str({"+": first + second, "-": first - second, "*": first * second}[sign])


@method("calculator")
@dataclass(frozen=True)
class Calculator(UsesTools):
    """Multiply two numbers, with a calculator at hand; reward 1 if the last turn is the product."""

    max_turns: PositiveInt = 3
    """Turns of the policy in an episode, calls and the answer among them."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Every product of two numbers of two digits, its value under `answer`; a hash of the text splits them."""
        made = [question(a, b) for a in range(10, 100) for b in range(10, 100)]
        held_out = [prompt for prompt in made if hash_share(prompt.id) < HELD_OUT_SHARE]
        train = [prompt for prompt in made if hash_share(prompt.id) >= HELD_OUT_SHARE]
        return take_split(dict(zip(SPLITS, (train, held_out), strict=True)), split)

    def style(self, completion: str) -> str:
        """Whether the calculator was called."""
        return "called" if "<tool_call>" in completion else "guessed"

    def _make(self) -> PocketCalculator:
        return PocketCalculator()

    def _verify(self, episodes: Sequence[Episode]) -> list[Score]:
        right = [episode.completion.strip() == episode.prompt.columns["answer"] for episode in episodes]
        return [
            Score(float(ok), read=e.completion, read_from="last turn") for ok, e in zip(right, episodes, strict=True)
        ]


def question(a: int, b: int) -> Prompt:
    """The prompt of a product."""
    text = f"{a}*{b}"
    return Prompt(text, [{"role": "user", "content": text}], {"answer": str(a * b)})
