"""Learning to control an environment as a job: `steelyard train control-ppo --env CartPole-v1`.

Needs the extra `control`. A step is an update of the learner. The run's `model` directory holds the controller's
numbers; `steelyard eval RUN` and `steelyard sample RUN` play it. An environment named module:id runs somebody's code:
`train` imports it, since the command names it, and `eval` and `sample` do not, since only a run directory does.

    eval/return, eval/episode_steps, eval/episode_cost    means over episodes, without discount
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from steelyard.control.delayed import Delayed
from steelyard.control.episodes import play
from steelyard.control.gym_system import GymSystem
from steelyard.control.learning import Learning, SteppedLearner
from steelyard.control.ppo import ControlPPO
from steelyard.control.system import System
from steelyard.control.work import ControlWork, told
from steelyard.core import NonNegativeInt, PositiveInt, checked, require
from steelyard.core.json import JsonObject
from steelyard.learner.fitting_settings import FittingSettings


@checked()
@dataclass(frozen=True)
class ControlJob(FittingSettings):
    """Learn to control an environment of gymnasium."""

    OWN_DATA: ClassVar[str] = "--env CartPole-v1"
    extra: ClassVar[str] = "control"

    learner: Annotated[SteppedLearner, tyro.conf.OmitArgPrefixes] = field(default_factory=ControlPPO)
    """What learns."""
    env: str = ""
    """The environment's id, such as CartPole-v1; module:id imports a module of your own that registers it."""
    env_settings: str = "{}"
    """What the environment is made with besides, as JSON: '{"max_episode_steps": 100}'."""
    delay: NonNegativeInt = 0
    """Steps by which observations come late; the controller sees its own actions since then."""
    episodes: PositiveInt = 20
    """Episodes of an evaluation."""
    eval_steps: PositiveInt = 2
    """Updates between two evaluations; the first and the last are always made."""
    save_steps: NonNegativeInt = 2
    """Updates between two checkpoints; 0 makes one only when the run is stopped or has ended."""

    @property
    def title(self) -> str:
        """What learns on what."""
        late = f", seen {self.delay} steps late" if self.delay else ""
        return f"{type(self.learner).__name__} on {self.env}{late}"

    def trained(self, model: Path) -> "ControlJob":
        """The same job on what it wrote.

        Raises:
            SteelyardError: the environment is code that only the run directory names.
        """
        check_own_code(self.env, model)
        return super().trained(model)

    def plan(self) -> Mapping[str, JsonObject]:
        """The environment, and how many updates there are."""
        system = self._system()
        return {"environment": self._told(system), "steps": {"steps": self._begin(system).num_updates}}

    def open(self) -> ControlWork:
        """Make the environment, and begin to learn; or take the controller that `fitted` names."""
        system = self._system()
        learning = self._begin(system)
        if self.fitted:
            learning.restore(Path(self.fitted))
        return ControlWork(learning, system, self.episodes, self.seed, self._told(system))

    def drawn(self, number: int, seed: int, output: str) -> list[JsonObject]:
        """So many episodes of the controller."""
        require(not output, "is for the run of a diffusion model", where="--output", hint="use --json")
        work = self.open()
        episodes = play(work.system, work.learning.controller, number, seed=seed)
        return [told(i, episode) for i, episode in enumerate(episodes)]

    def _system(self) -> System:
        own = GymSystem(self.env, self.env_settings)
        return Delayed(own, self.delay) if self.delay else own

    def _begin(self, system: System) -> Learning:
        return self.learner.begin(system, seed=self.seed, updates=self.max_steps)

    def _told(self, system: System) -> JsonObject:
        actions = f"{system.num_actions} {'numbers' if system.continuous else 'choices'}"
        sizes = {"observation": system.observation_size, "action": actions, "most_steps": system.horizon}
        return {"env": self.env, **sizes, "notes": {}}


def check_own_code(env: str, model: Path) -> None:
    """Refuse an environment that a run directory alone names, where it is somebody's code.

    Raises:
        SteelyardError: it is.
    """
    what = f"its environment {env} is code that is not run only because a run directory names it"
    require(":" not in env, what, where=str(model.parent), hint="play it in Python, by steelyard.control.play")
