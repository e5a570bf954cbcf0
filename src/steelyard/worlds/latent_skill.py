"""A skill that the base model has and hardly ever uses: sums that it can work out, and mostly guesses.

    1+3+2+7=         the problem: a sum modulo 10, of two to six terms
    4                guessed: one digit, right one time in ten
    w293213          worked out, marked by w: each term from the right and what it comes to, 2+7 = 9, 3+9 = 2, 1+2 = 3

    P(worked out) = rare     in what the base model is shown last; every worked answer that it is shown is right

The base model mostly guesses. On seed 900 three of ten of its answers begin to work the sum out, and it breaks four of
five of those off too soon; so it scores about 1/8, and most of its right answers are lucky guesses: whoever imitates
right answers imitates guesses too. It could score near 1: what is asked of post-training is to choose the skill, not to
learn it. Problems and domains (the number of terms: more are harder) are those of `domains`. The part `worked` is 1 for
an answer that was worked out. Reward is 1 for the right last digit, whatever way it was found.
Known exactly: the answer, and the score of a policy that always guesses, which is 1/10.
Source: none, this world is ours.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from steelyard.core import Episode, Prompt, Score, Share, checked, rng
from steelyard.policy import Policy
from steelyard.worlds.domains import CLOCK, Domains, solution
from steelyard.worlds.sync_loop import imitate, tiny_policy
from steelyard.worlds.text_world import TextWorld

MOST = 6
CHARACTERS = "0123456789+=w"
_ANSWER = re.compile(r"(w(?:\d\d)*\d)?(\d)")


@checked("latent-skill")
@dataclass(frozen=True)
class LatentSkill:
    """Sums on a clock, guessed or worked out; reward 1 for the right digit."""

    rare: Share = 0.08
    """Share of the answers that a base model is shown worked out at last."""
    problems: Annotated[int, Meta(ge=1, le=10_000)] = 400
    """Training problems of each number of terms; those of few terms have fewer, as there are no more."""
    held_out: Annotated[int, Meta(ge=1, le=10_000)] = 50
    """Held-out problems, likewise."""
    data_seed: int = 0
    """Of the choice of problems."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """Distinct problems, with columns `answer` and `domain`, the number of terms.

        Raises:
            SteelyardError: there is no such split.
        """
        sums = Domains(most=MOST, problems=self.problems, held_out=self.held_out, data_seed=self.data_seed)
        return sums.prompts(split)

    def demonstration(self, prompt: Prompt) -> str:
        """The problem worked out."""
        return "w" + solution(prompt)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """1 for the right last digit; what has another form, or was cut off, is wrong."""
        return [_score(e) for e in episodes]


def base(task: LatentSkill, seed: int, steps: int = 500) -> Policy:
    """A model that knows how to work sums out, and then has learned mostly to guess."""
    policy = tiny_policy(CHARACTERS, seed=seed, width=48, context=32)
    draws = rng(seed, "latent-skill", "base")
    prompts = task.prompts("train")
    for share, number, rate in ((1.0, steps, 6e-3), (task.rare, steps // 4, 3e-4)):
        asked = [prompts[i] for i in draws.integers(len(prompts), size=6000)]
        works = draws.random(len(asked)) < share
        said = [task.demonstration(p) if w else str(draws.integers(CLOCK)) for p, w in zip(asked, works, strict=True)]
        pairs = [(str(p.text), text) for p, text in zip(asked, said, strict=True)]
        imitate(policy, pairs, steps=number, batch=64, learning_rate=rate, seed=seed)
    return policy


def _score(episode: Episode) -> Score:
    found = _ANSWER.fullmatch(episode.completion) if episode.trajectory.finish == "stop" else None
    right = found is not None and int(found[2]) == episode.prompt.columns["answer"]
    return Score(float(right), {"worked": float(found is not None and found[1] is not None)})


WORLD = TextWorld(lambda seed: LatentSkill(data_seed=seed), base, max_tokens=2 * MOST, learning_rate=5e-4)
