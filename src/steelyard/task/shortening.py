"""Summarization in miniature, after TL;DR: a post of letters, its short version, and readers with a length bias.

    bDkFAmtC:                                        the post: capitals matter, the rest is filler
    DFAC                                             the best short version: its capitals, in order, and nothing else

    gold(x, y)  = LCS(y, capitals of x) / number of capitals - 0.1 (letters of y beyond that LCS)
    liking(x, y) = gold(x, y) + b (letters of y)                                    the readers' utility
    P(y preferred to y') = sigma((liking(x, y) - liking(x, y')) / noise)

LCS is the length of the longest common subsequence. Readers are noisy and like length: b exceeds the cost of a surplus
letter. A reward model trained on their preferences (the proxy) is right about nearly all texts of a mediocre writer,
but can be overoptimized: it keeps rising while the gold reward falls. With a proxy, the proxy is the score and the gold
reward is for evaluation; without one, the gold reward is the score.
Source: none, this world is ours; the setting is that of Stiennon et al. 2020, arXiv:2009.01325, and the question of
reward overoptimization that of Gao et al. 2022, arXiv:2210.10760.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from msgspec import Meta

from steelyard.core import Episode, Prompt, Score, method, rng
from steelyard.policy.auxiliary_model import AuxiliaryModel
from steelyard.policy.device import Device
from steelyard.reward import Pair, RewardModel
from steelyard.task.base import split_by_hash, take_split
from steelyard.task.wins import mean, win_rate

LETTERS = "abcdefghijklmnopqrst"
LONGEST_VERSION = 16
"""Most tokens of a short version."""
SURPLUS = 0.1
"""Cost of a surplus letter in the gold reward."""
LENGTH_BIAS = 0.12
"""b, the readers' bias for each letter."""
NOISE = 0.1
"""Scale of the readers' noise: at this difference in utility, 73 of 100 prefer the better text."""
_HELD_OUT_SHARE = 0.2


@method("shortening")
@dataclass(frozen=True)
class Shortening:
    """Posts of 8 to 14 letters, 3 to 5 of them capitals that a short version keeps; scored by gold or by a proxy."""

    proxy: str = ""
    """A reward model that scores completions; empty uses the gold reward."""
    models_device: Device = "cpu"
    """Where the reward model computes: cpu, cuda (the first GPU), cuda:1, ...; auto takes a GPU for a large one."""
    cut_off: float = -1.0
    """The score of a truncated completion."""
    posts: Annotated[int, Meta(ge=50, le=100_000)] = 4000
    """Posts generated, before equal ones are merged; one in five is held out."""
    data_seed: int = 0
    """Seed of the posts."""

    @cached_property
    def _splits(self) -> dict[str, tuple[Prompt, ...]]:
        draws = rng(self.data_seed, "shortening")
        made = (post(draws) for _ in range(self.posts))
        asked = ((text, Prompt(text, text, {"answer": capitals(text)})) for text in made)
        return split_by_hash(asked, _HELD_OUT_SHARE, where="shortening")

    @cached_property
    def _proxy(self) -> RewardModel:
        return RewardModel(self.proxy, self.cut_off, batch=256, device=self.models_device)

    @property
    def models(self) -> Mapping[str, AuxiliaryModel]:
        """The models that the task loads, by their role."""
        proxy = AuxiliaryModel(self.proxy, "reward model", device=self.models_device)
        return {"reward model": proxy} if self.proxy else {}

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The posts of a split, each with its best short version in the column `answer`."""
        return take_split(self._splits, split)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """The proxy's score, or the gold reward if there is no proxy; the part `gold` is always reported."""
        golds = [gold(str(e.prompt.text), e.completion) for e in episodes]
        if self.proxy:
            scores = self._proxy(episodes)
        else:
            scores = [
                Score(self.cut_off if e.trajectory.finish == "length" else g)
                for e, g in zip(episodes, golds, strict=True)
            ]
        return [Score(s.value, {"gold": g}, s.error) for s, g in zip(scores, golds, strict=True)]

    def measure(
        self, samples: Sequence[Sequence[Episode]], reference: Sequence[Sequence[Episode]]
    ) -> Mapping[str, float]:
        """`gold` and `proxy`, means over samples, and `gold_win_rate`.

        That is the share of all pairs of a sample and a reference sample of the same prompt in which the sample has the
        higher gold reward, ties counted as half, and the mean over prompts.
        """
        own, theirs = (
            [[gold(str(e.prompt.text), e.completion) for e in group] for group in groups]
            for groups in (samples, reference)
        )
        scores = self.score([episode for group in samples for episode in group])
        proxy = mean([[s.value for s in scores if s.value is not None]])
        return {"gold": mean(own), "gold_win_rate": win_rate(own, theirs), "proxy": proxy}

    def style(self, completion: str) -> str:
        """The class of length, since length is the readers' bias."""
        return next((name for name, most in (("to 3", 3), ("4 to 6", 6)) if len(completion) <= most), "over 6")


def post(draws: np.random.Generator) -> str:
    """A post: 8 to 14 letters, no two alike, 3 to 5 of them capitals, and a colon at its end."""
    length = int(draws.integers(8, 15))
    number = int(draws.integers(3, 6))
    letters = [LETTERS[i] for i in draws.permutation(len(LETTERS))[:length]]
    for place in draws.permutation(length)[:number]:
        letters[place] = letters[place].upper()
    return "".join(letters) + ":"


def capitals(text: str) -> str:
    """The letters of a post that matter, in order."""
    return "".join(c for c in text if c.isupper())


def gold(text: str, completion: str) -> float:
    """The gold reward of a post's completion; at most 1."""
    wanted = capitals(text)
    kept = common(completion, wanted)
    return kept / max(len(wanted), 1) - SURPLUS * (len(completion) - kept)


def common(a: str, b: str) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for x in a:
        before = row
        row = [0]
        for j, y in enumerate(b):
            row.append(before[j] + 1 if x == y else max(before[j + 1], row[j]))
    return row[-1]


def preferred(text: str, first: str, second: str, draws: np.random.Generator) -> Pair:
    """Which of two short versions a reader prefers."""
    likings = [gold(text, said) + LENGTH_BIAS * len(said) for said in (first, second)]
    wins = draws.random() < 1 / (1 + math.exp((likings[1] - likings[0]) / NOISE))
    return Pair(text, *((first, second) if wins else (second, first)))


def mediocre(text: str, draws: np.random.Generator) -> str:
    """A mediocre short version: some capitals are missing, some filler is kept, two letters may be swapped."""
    said = [c for c in text[:-1] if draws.random() < (0.7 if c.isupper() else 0.12)]
    if len(said) > 1 and draws.random() < 0.25:
        place = int(draws.integers(len(said) - 1))
        said[place : place + 2] = said[place + 1], said[place]
    return "".join(said)
