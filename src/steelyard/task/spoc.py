"""SPOC: proposals and verifications in one generation, by one policy that is rewarded for both.

Differs: confirmed are the two roles in one pass, the stop at an accepting verdict, and a reward for each role from the
right answer. How a message is marked is ours (the source's are messages of a chat), and so are rewards of +1 and -1 in
place of 1 and 0, and the rule for what is left without a verdict: a verification without one is wrong, and a proposal
that nobody refused or accepted is the answer if it is the last.

    y_1 v_1 y_2 v_2 ... y_n v_n      one generation; v_n accepts, or a limit ends it
    r(y_i) = +1 if the verifier finds y_i right, else -1
    r(v_i) = +1 if the verdict of v_i is what the verifier says of y_i, else -1
    answer = y_n;    value = what the verifier gives y_n

The verifier, that of the inner task or a reward that is named, sees each proposal as if it were a whole completion; the
policy is told nothing. `max_proposals` and the length of a completion bound the generation: what follows is not read.
A generation without a verification is single-turn RL. The rewards are those of parts (`Score.part_rewards`), y and v in
turn, which `message-rloo` learns from.
Source: Zhao et al. 2025, arXiv:2506.06923.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar

import tyro
from msgspec import Meta

from steelyard.core import Episode, Interactive, Reward, Score, Task, method, require
from steelyard.task.rows import NO_FILE, Rows
from steelyard.task.scored import Scored
from steelyard.task.self_check import Round, SelfCheckMarks
from steelyard.task.wrapped import Wrapped


@method(
    "spoc",
    paper="arXiv:2506.06923",
    claim="A policy that proposes and verifies in one generation answers better than after single-turn RL.",
    exemptions=NO_FILE,
)
@dataclass(frozen=True)
class SPOC(SelfCheckMarks, Wrapped):
    """A task of one turn in which the policy verifies its own proposals."""

    OWN_DATA: ClassVar[str] = Rows.OWN_DATA

    max_proposals: Annotated[int, Meta(ge=1, le=100)] = 4
    """Proposals that are read in a generation."""
    right_at: float = 1.0
    """Lowest score of the verifier that counts as right."""
    task: Annotated[Task, tyro.conf.OmitArgPrefixes] = field(default_factory=Rows)
    """Questions, and the verifier of each proposal."""

    def __post_init__(self) -> None:
        super().__post_init__()
        what = f"{type(self.task).__name__} has several turns"
        require(not isinstance(self.task, Interactive), what, where="spoc.task", hint="give a task of one turn")

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """The score of each generation's answer, with rewards for all of its messages.

        Parts: `first`, 1 where the first proposal is right; `proposals` and `verdicts`, how many there are of each;
        `right_verdicts` among these, and `false_accepts`, 1 where a wrong proposal was accepted.
        """
        read = [self.rounds(self._said(episode), self.max_proposals) for episode in episodes]
        pairs = zip(episodes, read, strict=True)
        asked = [_proposal(episode, rounds, i) for episode, rounds in pairs for i in range(len(rounds))]
        found = self.task.score(asked) if asked else []
        what = f"{len(found)} scores for {len(asked)} proposals"
        require(len(found) == len(asked), what, where="verifier", hint="return one score for each, in order")
        scores = iter(found)
        return [
            self._returned(self._said(episode), rounds, [next(scores) for _ in rounds])
            for episode, rounds in zip(episodes, read, strict=True)
        ]

    def verified_by(self, reward: Reward) -> "SPOC":
        """The same task with another verifier of proposals."""
        return replace(self, task=Scored(self.task, reward))

    @property
    def stop(self) -> Sequence[str]:
        """The accepting verdict ends a generation."""
        return (self.accept,)

    def _said(self, episode: Episode) -> str:
        """The completion with the accepting verdict that ended it, which scored texts lack."""
        accepted = episode.trajectory.info.get("stop") == self.accept
        return f"{episode.completion}{self.accept}" if accepted else episode.completion

    def _returned(self, said: str, rounds: Sequence[Round], scores: Sequence[Score]) -> Score:
        for number, score in enumerate(scores, start=1):
            if score.value is None or score.error is not None:
                return Score(None, error=f"proposal {number}: {score.error or 'the verifier gave no score'}")
        right = [score.value is not None and score.value >= self.right_at for score in scores]
        agree = [one.verdict == good for one, good in zip(rounds, right, strict=True) if one.verified]
        accepted = rounds[-1].verdict is True
        parts = {
            "first": float(right[0]),
            "proposals": float(len(rounds)),
            "verdicts": float(len(agree)),
            "right_verdicts": float(sum(agree)),
            "false_accepts": float(accepted and not right[-1]),
        }
        rewards = _part_rewards(rounds, right, len(said))
        answer = scores[-1]
        return replace(answer, parts=parts, reward_T=None, right=right[-1], part_rewards=rewards)


def _proposal(episode: Episode, rounds: Sequence[Round], number: int) -> Episode:
    """A proposal as the verifier of one turn sees it; the episode itself where it is the whole generation."""
    one = rounds[number]
    if one.proposal == episode.completion:
        return episode
    finish = "stop" if one.verified else episode.finish or "length"
    return Episode.written(episode.prompt, one.proposal, finish)


def _part_rewards(rounds: Sequence[Round], right: Sequence[bool], length: int) -> tuple[tuple[int | None, float], ...]:
    """End and reward of every message; the one that ends the text ends with the completion."""
    found: list[tuple[int | None, float]] = []
    for one, good in zip(rounds, right, strict=True):
        deserved = (good, one.verdict == good)[: len(one.ends)]
        found += [(end, 1.0 if yes else -1.0) for end, yes in zip(one.ends, deserved, strict=True)]
    last = found[-1]
    return (*found[:-1], (None, last[1])) if last[0] == length else tuple(found)
