"""A task of your own in thirty lines, trained with `steelyard.train`.

The task asks for sums of four numbers, and pays for the right one, less a little for each character. The shipped base
model mostly guesses, and learns to work the sums out. Printed are a few answers, and the held-out accuracy, before and
after.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import steelyard
from steelyard.core import Episode, Prompt, Score, hash_share, rng
from steelyard.objective import VarGradTB
from steelyard.runtime import HeldOut, Run


@dataclass(frozen=True)
class Sums:
    """Sums of four numbers: 12+7-15+9= is 13, and the shorter the way to it, the better."""

    problems: int = 2000
    """Problems in all; a tenth of them is held out."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Each problem with its sum; a hash of its text decides the split."""
        terms_N4 = rng(0, "sums").integers(1, 21, size=(self.problems, 4))
        made = {f"{a}+{b}-{c}+{d}=": a + b - c + d for a, b, c, d in terms_N4.tolist()}
        return [
            Prompt(text, text, {"answer": answer})
            for text, answer in made.items()
            if (hash_share(text) < 0.1) == (split == "held-out")
        ]

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each finished completion, in order."""
        return [self._score(e.completion, str(e.prompt.columns["answer"])) for e in episodes]

    def _score(self, said: str, answer: str) -> Score:
        right = said.rpartition("=")[2] == answer  # all of it, where nothing was worked out
        return Score(float(right) - 0.02 * len(said), right=right)


RUN = Run(
    task=Sums(),
    objective=VarGradTB(beta=0.1),
    model="steelyard/arithmetic",  # or a directory, or the id of a model
    runtime="inline",  # in this process, on a virtual clock: the same run every time
    max_steps=24,
    learning_rate=4e-4,
    num_prompts=8,
    search_prompts=8,
    num_generations=16,
    max_completion_length=16,
    evaluation=HeldOut(every=24, prompts=100, sampled_prompts=3, samples=1),
)


def main() -> None:
    """Train, and show what became of it."""

    def watch(file: str, row: Mapping[str, object]) -> None:
        if file == "samples":
            print(f"  step {row['step']:>2}: {row['prompt']}{row['completion']}")

    with tempfile.TemporaryDirectory() as place:
        result = steelyard.train(RUN, output_dir=place, report=False, watch=watch)
    print(f"held-out accuracy before {result.accuracy_before:.3f}, after {result.accuracy_after:.3f}")


if __name__ == "__main__":
    main()
