r"""Spurious rewards: what a run is paid for that has little to do with being right, as controls of claims about RL.

Differs: the format is any regular expression; without one an answer only has to be there and to end. Theirs is
<think>...</think> <answer>...</answer>. The coin is tossed at the sample's address, so a run repeats. A sample whose
group it does not see has no vote and no reward.

    r(y) = [format of y is right] s(y)
    coin-flip    s = 1 with probability 1/2
    wrong        s = 1 - [y is right], by the row's answer or by a reward that is named
    format       s = 1
    majority     s = [answer of y is what most samples of its prompt say]; of equally many, the earliest sample's
    confidence   r = mean over tokens of log mu(y_t), whatever its format

mu is the policy that sampled. A run names one as a reward, `spurious:KIND`, `spurious:KIND:PATTERN` with the format in
full, or `spurious:wrong::module:function` with what tells right from wrong. The part `votes` is the share of a prompt's
samples that say what the majority says.
Source: Wu et al. 2025, arXiv:2508.21188, by the authors' code, github.com/hkust-nlp/model-task-align-rl.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, get_args

from steelyard.core import Episode, Reward, Score, SteelyardError, method, require, rng, suggest
from steelyard.reward.answer_check import prompt_text
from steelyard.reward.exact import normal
from steelyard.reward.final_answer import find_answer
from steelyard.reward.given import reward_function, reward_source
from steelyard.reward.math import MathVerify
from steelyard.reward.pool import Closable

PREFIX = "spurious"
Kind = Literal["coin-flip", "wrong", "format", "majority", "confidence"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_NAMED: Mapping[str, Kind] = {kind: kind for kind in KINDS}


@method(
    "spurious",
    paper="arXiv:2508.21188",
    claim="Spurious rewards train well only where the base's pass@k on the task is already high.",
    exemptions={"scores-alone": "a majority is one of the prompt's samples in the call"},
)
@dataclass(frozen=True)
class Spurious(Closable):
    """A reward of the panel."""

    kind: Kind = "majority"
    """What is paid for."""
    pattern: str = ""
    """Regular expression of the format, which a completion fits from end to end; empty for any that has an answer."""
    verifier: Any = field(default_factory=MathVerify)
    """What `wrong` turns round: a reward of 1 and 0, or the name or the callable of a reward function."""

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            hint = "write the format that a whole completion has"
            what = f"is no regular expression ({error})"
            raise SteelyardError(what, where="spurious.pattern", hint=hint) from error

    @property
    def compares_samples(self) -> bool:
        """Whether all samples of a prompt are to be scored in one call."""
        return self.kind == "majority"

    def __str__(self) -> str:
        return f"reward {PREFIX}:{self.kind}"

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order."""
        if self.kind == "confidence":
            return [confidence(e) for e in episodes]
        formed = [self.fits(e) for e in episodes]
        found = self._paid(episodes, formed)
        return [gated(score, fits) for score, fits in zip(found, formed, strict=True)]

    def fits(self, episode: Episode) -> bool:
        """Whether a completion has the format."""
        if self.pattern:
            return re.fullmatch(self.pattern, episode.completion.strip(), re.DOTALL) is not None
        return said(episode) is not None

    def close(self) -> None:
        """End the child processes of what tells right from wrong."""
        if isinstance(opened := vars(self).get("_verifier"), Closable):
            opened.close()

    @cached_property
    def _verifier(self) -> Reward:
        return reward_function(self.verifier)

    def _paid(self, episodes: Sequence[Episode], formed: Sequence[bool]) -> list[Score]:
        """s of each."""
        if self.kind == "coin-flip":
            return [Score(float(rng(0, PREFIX, *_place(e)).random() < 0.5)) for e in episodes]
        if self.kind == "wrong":
            return [turned(score) for score in self._verifier(episodes)]
        return majority(episodes, formed) if self.kind == "majority" else [Score(1.0)] * len(episodes)


def said(episode: Episode) -> str | None:
    """The final answer of a completion, in one spelling; None where there is none, or it was cut off."""
    found = find_answer(episode.completion, prompt=prompt_text(episode.prompt), finish=episode.finish)
    return None if found is None else normal(found.text)


def gated(score: Score, fits: bool) -> Score:
    """The score where the format is right, and 0 elsewhere."""
    return score if fits or score.value is None else replace(score, value=0.0)


def confidence(episode: Episode) -> Score:
    """The mean log-probability of the tokens that the policy chose."""
    t = episode.trajectory
    logp_T = t.logp_behaviour_T[t.action_T]
    return Score(float(logp_T.mean())) if len(logp_T) else Score(None, error="its tokens are not known")


def majority(episodes: Sequence[Episode], formed: Sequence[bool]) -> list[Score]:
    """1 for what most samples of a prompt say, and 0 for anything else; None for a sample without another.

    What has not the format has no vote.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for at, episode in sorted(enumerate(episodes), key=lambda pair: _place(pair[1])):
        groups[episode.prompt.id].append(at)
    answers = [said(episode) if fits else None for episode, fits in zip(episodes, formed, strict=True)]
    found = [Score(None, error="no other sample of its prompt was scored with it, so there is no vote")] * len(answers)
    for places in (some for some in groups.values() if len(some) > 1):
        votes = Counter(answers[at] for at in places if answers[at] is not None)
        most, number = next(iter(votes.most_common(1)), ("", 0))
        for at in places:
            found[at] = Score(float(answers[at] == most), {"votes": number / len(places)})
    return found


def turned(score: Score) -> Score:
    """One less the score of a verifier, which goes on knowing what is right."""
    if score.value is None:
        return score
    return replace(score, value=1.0 - score.value, right=score.value >= 1.0 if score.right is None else score.right)


def spurious(place: str) -> Spurious:
    """The reward that `spurious:PLACE` names.

    Raises:
        SteelyardError: there is no such kind, or it has no use for a verifier.
    """
    name, _, rest = place.partition(":")
    pattern, found, verifier = rest.partition("::") if not rest.startswith(":") else ("", ":", rest[1:])
    where = f"reward {PREFIX}:{place}"
    kind = _NAMED.get(name)
    if kind is None:
        raise SteelyardError(f"there is no kind {name!r}", where=where, hint=suggest(name, KINDS))
    what = "names what tells right from wrong, and pays for something else"
    require(not found or kind == "wrong", what, where=where, hint=f"leave out ::{verifier}")
    return Spurious(kind, pattern, verifier) if verifier else Spurious(kind, pattern)


def _place(episode: Episode) -> tuple[str, int]:
    return episode.prompt.id, episode.trajectory.sample


reward_source(PREFIX, spurious)
