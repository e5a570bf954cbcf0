"""The worlds of the frontier study: a latent skill, many right answers, and an answer that is hardly ever sampled.

    latent-skill    a sum is worked out three times in ten, and guessed otherwise
    many-answers    tens of right answers to each prompt
    sparse          four signs in a code; each is right one time in ten, so all are one time in 10^4

A base model is made once for a study, by imitation, and lies in the study's directory.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from steelyard.core import Task
from steelyard.policy import Policy
from steelyard.worlds import habits, latent_skill, many_answers
from steelyard.worlds.bases.new_model import save_new

Name = Literal["latent-skill", "many-answers", "sparse"]


@dataclass(frozen=True)
class World:
    """A task, where a policy begins, and when it counts as solved."""

    task: Task
    base: Callable[[], Policy]
    longest: int
    """Most tokens of a completion."""
    enough: float
    """Held-out accuracy (greedy) at which generations are counted."""
    steps: int = 200
    """Learner steps at the centre."""
    betas: tuple[float, float, float] = (0.1, 0.03, 0.01)
    """Of trajectory balance, to be tuned: distance from the reference against reward."""


_SKILL = latent_skill.LatentSkill()
_ANSWERS = many_answers.ManyAnswers()
_RARE = habits.Habits(shares=(0.1,), length=4)
_FAINT = (1e-2, 1e-3, 1e-4)
"""Where most groups hold no right answer, the pull to the reference is all that most steps have."""
WORLDS: Mapping[Name, World] = {
    "latent-skill": World(_SKILL, lambda: latent_skill.base(_SKILL, 0), 2 * latent_skill.MOST, enough=0.8),
    "many-answers": World(_ANSWERS, lambda: many_answers.base(_ANSWERS, 0), 6, enough=0.9),
    "sparse": World(_RARE, lambda: habits.base(_RARE, 0), 5, enough=0.5, steps=400, betas=_FAINT),
}


def based(root: Path, name: Name) -> str:
    """The directory of a world's base model, which is made if it is not there."""
    place = root / f"_base-{name}"
    if not (place / "config.json").is_file():
        save_new(WORLDS[name].base(), place)
    return str(place)
