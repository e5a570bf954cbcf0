"""An environment of several turns in forty lines, trained with `steelyard.train`.

The policy makes up to three offers, and after each the seller says whether it has to be higher; the less it pays, the
more a deal is worth. The shipped base model counts up or guesses, and often goes home without a deal. Printed are two
talks, and the share of held-out talks that end in a deal before and after.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import steelyard
from steelyard.core import Environment, Episode, Prompt, Score, hash_share, outcomes
from steelyard.objective import VarGradTB
from steelyard.replay import SingleUse
from steelyard.runtime import HeldOut, Run


class Seller:
    """One talk: the policy offers, until it reaches the lowest price that the seller takes."""

    def __init__(self, max_turns: int) -> None:
        self._left = max_turns
        self._lowest = 0

    def reset(self, prompt: Prompt) -> str:
        """The first observation: the range that the price is in, such as 12-26:"""
        self._lowest = int(prompt.columns["lowest"])
        return str(prompt.text)

    def step(self, completion: str) -> str | Score:
        """What the seller says, or the end of the talk."""
        self._left -= 1
        if not (completion.isascii() and completion.isdecimal()):
            return Score(0.0, right=False)  # no number, no deal
        over = int(completion) - self._lowest
        if over >= 0:
            return Score(max(1.0 - over / 15, 0.0), right=over < 15)
        return "higher " if self._left else Score(0.0, right=False)

    def truncate(self, completion: str) -> Score:
        """An offer that does not end is none."""
        return Score(0.0, right=False)


@dataclass(frozen=True)
class Haggling:
    """Buy within three offers, for little."""

    max_turns: int = 3
    """Offers in a talk."""
    deadline_s: float = 10.0
    """Seconds that the seller may take for an answer."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Ranges of 15 prices, each with every lowest price that it may hide; a hash decides the split."""
        texts = {f"{low}-{low + 14}:": range(low, low + 15) for low in range(1, 86)}
        held_out = {text for text in texts if hash_share(text) < 0.2}
        chosen = [text for text in texts if (text in held_out) == (split == "held-out")]
        return [Prompt(f"{text}{price}", text, {"lowest": price}) for text in chosen for price in texts[text]]

    def environment(self, prompt: Prompt, sample: int) -> Environment:
        """A new one for each episode."""
        return Seller(self.max_turns)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """What the sellers said at the end."""
        return outcomes(episodes)


RUN = Run(
    task=Haggling(),
    objective=VarGradTB(beta=0.03),
    model="steelyard/guessing",
    replay=SingleUse(capacity=64),
    runtime="inline",  # in this process, on a virtual clock: the same run every time
    max_steps=20,
    learning_rate=1e-3,
    num_prompts=8,
    search_prompts=8,
    num_generations=8,
    max_completion_length=4,
    evaluation=HeldOut(every=20, prompts=45, sampled_prompts=2, samples=1),
)


def main() -> None:
    """Train, and show what became of it."""

    def watch(file: str, row: Mapping[str, object]) -> None:
        if file == "samples":
            print(f"  step {row['step']:>2}: {row['prompt']}{row['completion']}")

    with tempfile.TemporaryDirectory() as place:
        result = steelyard.train(RUN, output_dir=place, report=False, watch=watch)
    print(f"deals before {result.accuracy_before:.3f}, after {result.accuracy_after:.3f}")


if __name__ == "__main__":
    main()
