"""STAT-Sel: questions are drawn by the skills that the model was found to miss.

Differs: the paper looks once, at the answers to validation questions; here every round ends with a new profile, in
post-training of the prompts that were sampled in it. A question is difficult by its mean reward, where the paper has a
process reward model and a second threshold, .7, for the worst step. What an answer misses is what its verifier names in
parts of its score, `missing:SKILL` above 0; where it names nothing, all skills of the question, as no teacher is asked.
Skills are drawn in proportion to the profile, where the paper takes 5 questions for each entry of it: the same shares.
Questions are not synthesized here: `data/stat_syn.py` is STAT-Syn.

    difficult(q) = [ mean_j r_j <= threshold ]
    n_s          = number of difficult q, of the last round, whose answers miss s
    P(s)         = n_s / sum_s' n_s'        then a question that needs s, each once before one comes again

Before the first profile, and where nothing is missed, questions come in shuffled order, as in plain training.
P prompts, G samples per prompt: the mean runs over a prompt's own G samples with a reward.
Source: He et al. 2025, arXiv:2510.10023, equation 1, section 2 and appendix B.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from steelyard.core import PositiveInt, Prompt, Trajectory, derive, method, require, rng
from steelyard.core.json import JsonMapping
from steelyard.curriculum.arms import by_prompt, domain_of, pick
from steelyard.curriculum.bandit import HINT, read_state
from steelyard.curriculum.shuffled import ShuffledWalk

MISSING = "missing:"
"""Beginning of the parts of a score that name a skill which the answer misses."""


@method(
    "stat",
    paper="arXiv:2510.10023",
    claim="up to 7.5 points on MATH where plain fine-tuning on the same questions gains 1 or 2",
)
@dataclass(frozen=True)
class STAT:
    """Settings of STAT-Sel: questions drawn by the skills that the model was found to miss."""

    threshold: Annotated[float, Meta(examples=[0.85])] = 0.85
    """A question is difficult where its mean reward is at most this."""
    round_size: PositiveInt = 512
    """Questions that are drawn between two profiles."""
    skills: str = ""
    """Column with the skills of a question, a text or a list of texts; empty where its domain is its one skill."""

    def open(self, prompts: Sequence[Prompt], seed: int, probes: Sequence[Prompt] = ()) -> "STATDraws":
        """The live curriculum, over the skills of these prompts; of `probes` it is told, and draws none."""
        return STATDraws(self, prompts, seed, probes)

    def skills_of(self, prompt: Prompt) -> tuple[str, ...]:
        """The skills that a question needs.

        Raises:
            SteelyardError: it has none, or they are no texts.
        """
        if not self.skills:
            return (str(domain_of(prompt)),)
        value = prompt.columns.get(self.skills)
        listed = value if isinstance(value, list) else [value]
        right = bool(listed) and all(isinstance(one, str | int) and one != "" for one in listed)
        hint = "write a text, or a list of texts, or name another column"
        require(right, f"column {self.skills!r} names no skill", where=prompt.where, hint=hint)
        return tuple(dict.fromkeys(map(str, listed)))


class _State(msgspec.Struct, forbid_unknown_fields=True):
    position: int
    begun: int | None
    walked: dict[str, int]
    shuffled: int
    told: dict[str, int]
    profile: dict[str, int]


class STATDraws:
    """The live curriculum: the profile of the last round, and the skills that were missed in this one."""

    def __init__(self, settings: STAT, prompts: Sequence[Prompt], seed: int, probes: Sequence[Prompt]) -> None:
        self._settings = settings
        self._seed = seed
        self._shuffled = ShuffledWalk(len(prompts), derive(seed, "stat", "all"))
        self._skills_of = {p.id: settings.skills_of(p) for p in (*prompts, *probes)}
        self._places: dict[str, list[int]] = {}
        for place, prompt in enumerate(prompts):
            for skill in self._skills_of[prompt.id]:
                self._places.setdefault(skill, []).append(place)
        self._walks = {s: ShuffledWalk(len(of), derive(seed, "stat", "skill", s)) for s, of in self._places.items()}
        self._position = 0
        self._begun: int | None = None
        self._told: Counter[str] = Counter()
        self._profile: dict[str, int] = {}

    @property
    def begins_round(self) -> bool:
        """Whether the next draw takes a new profile: at first, and after each round."""
        return self._begun is None or self._position - self._begun >= self._settings.round_size

    @property
    def profile(self) -> Mapping[str, int]:
        """Skill -> number of difficult questions whose answers missed it, of those that some question teaches."""
        return self._profile

    def draw(self, num_prompts: int) -> list[int]:
        """Indices of the next prompts; a round that is over is closed before."""
        if self.begins_round:
            self._begun = self._position
            self._profile = dict(sorted(self._told.items()))
            self._told = Counter()
        places = range(self._position, self._position + num_prompts)
        self._position += num_prompts
        if not self._profile:
            return self._shuffled.draw(num_prompts)
        return [self._of(self._skill(k)) for k in places]

    def _skill(self, position: int) -> str:
        uniform = float(rng(self._seed, "stat", position).random())
        number_S = np.array([*self._profile.values()], np.float64)
        return [*self._profile][pick(number_S / number_S.sum(), uniform)]

    def _of(self, skill: str) -> int:
        return self._places[skill][self._walks[skill].draw(1)[0]]

    def observe(self, trajectories: Sequence[Trajectory]) -> None:
        """Count the skills that a difficult question's answers miss; one whose samples all lack a reward is none."""
        for prompt_id, group in by_prompt(trajectories).items():
            known = [t for t in group if t.valid]
            rewards = [t.reward for t in known if t.reward is not None]
            if rewards and np.mean(rewards) <= self._settings.threshold:
                missed = _named(known) or self._skills_of[prompt_id]
                self._told.update(skill for skill in missed if skill in self._places)

    def state(self) -> Mapping[str, object]:
        """The profile, what was missed since, and the counters."""
        return {
            "position": self._position,
            "begun": self._begun,
            "walked": {skill: walk.state()["position"] for skill, walk in self._walks.items()},
            "shuffled": self._shuffled.state()["position"],
            "told": dict(self._told),
            "profile": dict(self._profile),
        }

    def restore(self, state: JsonMapping) -> None:
        """Continue from a `state`.

        Raises:
            SteelyardError: it is not a state of this curriculum.
        """
        kept = read_state(state, _State)
        known = kept.walked.keys() == self._walks.keys() and {*kept.told, *kept.profile} <= self._walks.keys()
        require(known, "it is of other skills", where="curriculum state", hint=HINT)
        for skill, walk in self._walks.items():
            walk.restore({"position": kept.walked[skill]})
        self._shuffled.restore({"position": kept.shuffled})
        self._position = kept.position
        self._begun = kept.begun
        self._told = Counter(kept.told)
        self._profile = kept.profile


def _named(trajectories: Iterable[Trajectory]) -> tuple[str, ...]:
    """The skills that the verifier of some answer names as missing."""
    named = [part for t in trajectories for part, value in t.reward_parts.items() if value > 0]
    return tuple(dict.fromkeys(part.removeprefix(MISSING) for part in named if part.startswith(MISSING)))
