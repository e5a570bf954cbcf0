"""Learning to control from played episodes as a job: `steelyard train dichotomy --trajectories episodes.jsonl`.

With `--env`, an environment of gymnasium (extra `control`), the controller is played there at every evaluation; without
a file, episodes are played at random there first, and learned from. The run's `model` directory holds the networks;
`steelyard eval RUN` measures them again, and `steelyard sample RUN` plays them where there is an environment.

    eval/action_nll      of held-out actions under their futures, nats a step
    eval/return_error    mean squared error of V, as a share of the returns' variance
    eval/promised        what the controller promises where held-out episodes begin; eval/played: what they paid
    eval/earned          what it earns in the environment: these three with the learner's discount
    eval/mi_reward, eval/mi_next      nats that rewards and next observations tell of z (dichotomy)
    eval/return, eval/episode_steps, eval/episode_cost      its episodes there, without discount
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import tyro

from steelyard.control.dichotomy import Dichotomy
from steelyard.control.episodes import play, random_controller
from steelyard.control.gym_system import GymSystem
from steelyard.control.job import check_own_code
from steelyard.control.offline import PlayedEpisode, Sizes, collect, returns_of, sizes_of, split_episodes
from steelyard.control.offline_file import read_episodes
from steelyard.control.offline_learner import OfflineLearner, OfflineLearning
from steelyard.control.work import SHOWN, measured, told
from steelyard.core import NonNegativeInt, PositiveInt, ShareInside, checked, require
from steelyard.core.json import JsonObject
from steelyard.learner.fitting_settings import FittingSettings
from steelyard.learner.fitting_work import FittingWork, unwritten

Parts = tuple[list[PlayedEpisode], list[PlayedEpisode]]


@checked()
@dataclass(frozen=True)
class OfflineControlJob(FittingSettings):
    """Learn to control from episodes that were played before."""

    OWN_DATA: ClassVar[str] = "--trajectories episodes.jsonl"

    learner: Annotated[OfflineLearner, tyro.conf.OmitArgPrefixes] = field(default_factory=Dichotomy)
    """What learns."""
    trajectories: str = ""
    """JSONL file with observations, actions and rewards of an episode in each line, or .npz file of steps in a row."""
    env: str = ""
    """Environment to play in, such as FrozenLake-v1; module:id imports a module of your own that registers it."""
    env_settings: str = "{}"
    """What the environment is made with besides, as JSON: '{"max_episode_steps": 100}'."""
    played: PositiveInt = 1000
    """Episodes to play at random in the environment, and to learn from, where no file is named."""
    held_out_share: ShareInside = 0.1
    """Share of the episodes that only evaluation sees."""
    episodes: PositiveInt = 100
    """Episodes of an evaluation in the environment."""
    eval_steps: PositiveInt = 500
    """Steps between two evaluations; the first and the last are always made."""
    save_steps: NonNegativeInt = 500
    """Steps between two checkpoints; 0 makes one only when the run is stopped or has ended."""

    @property
    def extra(self) -> str:
        """What plays in an environment."""
        return "control" if self.env else ""

    @property
    def title(self) -> str:
        """What learns from what."""
        return f"{type(self.learner).__name__} on {self.trajectories or f'{self.played} episodes of {self.env}'}"

    def trained(self, model: Path) -> "OfflineControlJob":
        """The same job on what it wrote.

        Raises:
            SteelyardError: the environment is code that only the run directory names.
        """
        check_own_code(self.env, model)
        return super().trained(model)

    def plan(self) -> Mapping[str, JsonObject]:
        """The episodes, and how many steps there are; none are played for it."""
        steps: JsonObject = {"steps": self.max_steps or self.learner.steps}
        if not self.trajectories:
            return {"data": {"env": self._system().env, "episodes": self.played}, "steps": steps}
        parts, sizes = self._read()
        return {"data": _told(parts, sizes), "steps": steps}

    def open(self) -> FittingWork:
        """Read or play the episodes, and begin to learn; or measure the controller that `fitted` names."""
        parts, sizes = self._read()
        learning = self.learner.learn(parts[0], sizes, seed=self.seed, steps=self.max_steps)
        measure = partial(self._measure, learning, parts[1])
        if self.fitted:
            learning.restore(Path(self.fitted))
            return FittingWork(None, measure, unwritten, _told(parts, sizes))
        return FittingWork(learning.fitting, measure, partial(_write, learning), _told(parts, sizes))

    def drawn(self, number: int, seed: int, output: str) -> list[JsonObject]:
        """So many episodes of the controller."""
        require(not output, "is for the run of a diffusion model", where="--output", hint="use --json")
        require(bool(self.env), "the run names no environment to play in", where="--env", hint="train with --env ID")
        system = self._system()
        learning = self.learner.learn(self._some(system), sizes_of(system), seed=self.seed)
        learning.restore(Path(self.fitted))
        return [told(i, episode) for i, episode in enumerate(play(system, learning.controller, number, seed=seed))]

    def _some(self, system: GymSystem) -> list[PlayedEpisode]:
        """One episode: what is restored has all numbers of its own."""
        return collect(system, random_controller(system), 1, seed=self.seed)

    def _system(self) -> GymSystem:
        hint = "name a file with --trajectories, or an environment with --env, or both"
        require(bool(self.env), "there is nothing to learn from", where="--trajectories", hint=hint)
        system = GymSystem(self.env, self.env_settings)
        sizes_of(system)
        return system

    def _read(self) -> tuple[Parts, Sizes]:
        system = self._system() if self.env or not self.trajectories else None
        if self.trajectories:
            places = system is None or hasattr(system.made.observation_space, "n")
            episodes, sizes = read_episodes(self.trajectories, sizes_of(system) if system else None, places=places)
        else:
            assert system is not None
            episodes = collect(system, random_controller(system), self.played, seed=self.seed)
            sizes = sizes_of(system)
        where = self.trajectories or "--played"
        return split_episodes(episodes, self.held_out_share, seed=self.seed, where=where), sizes

    def _measure(self, learning: OfflineLearning, held_out: list[PlayedEpisode]) -> tuple[JsonObject, list[JsonObject]]:
        row = learning.measure(held_out, self.seed)
        if not self.env:
            return row, []
        episodes = play(self._system(), learning.controller, self.episodes, seed=self.seed)
        row["eval/earned"] = float(np.mean([returns_of(e.rewards, learning.discount)[0] for e in episodes]))
        return row | measured(episodes), [told(i, episode) for i, episode in enumerate(episodes[:SHOWN])]


def _write(learning: OfflineLearning, directory: Path) -> None:
    directory.mkdir(parents=True)
    learning.save(directory)


def _told(parts: Sequence[list[PlayedEpisode]], sizes: Sizes) -> JsonObject:
    """What data.json and the plan say of the episodes."""
    values = [float(e.rewards.sum()) for part in parts for e in part]
    actions = f"{sizes.actions} {'numbers' if sizes.continuous else 'choices'}"
    counts = {
        "episodes": len(values),
        "held_out": len(parts[1]),
        "steps": sum(len(e.rewards) for p in parts for e in p),
    }
    returns = {"mean_return": sum(values) / len(values), "best_return": max(values)}
    return {**counts, "observation": sizes.observation, "action": actions, **returns, "notes": {}}
