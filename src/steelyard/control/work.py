"""The learning of a controller as the work of a job."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from steelyard.control.episodes import Episode, play
from steelyard.control.learning import Learning
from steelyard.control.system import System
from steelyard.core.json import JsonMapping, JsonObject

SHOWN = 3
"""Episodes that are kept to read."""


@dataclass
class ControlWork:
    """A `Work` whose steps are updates of a learner."""

    learning: Learning
    """What learns."""
    system: System
    """What it acts on."""
    episodes: int
    """Episodes of a measurement."""
    seed: int
    """Of the episodes that measure."""
    facts: JsonMapping
    """The system in numbers."""

    @property
    def steps(self) -> int:
        """Updates that are made."""
        return self.learning.updates

    @property
    def num_steps(self) -> int:
        """Updates to make in all."""
        return self.learning.num_updates

    def step(self) -> JsonObject:
        """Make the next update; returns its metrics."""
        return self.learning.step()

    def evaluate(self) -> tuple[JsonObject, list[JsonObject]]:
        """What episodes of the controller are like: the same first states every time."""
        episodes = play(self.system, self.learning.controller, self.episodes, seed=self.seed)
        return measured(episodes), [told(number, episode) for number, episode in enumerate(episodes[:SHOWN])]

    def save(self, directory: Path) -> None:
        """Write what learns."""
        self.learning.save(directory)

    def restore(self, directory: Path) -> None:
        """Go on from what was written."""
        self.learning.restore(directory)

    def save_model(self, directory: Path) -> None:
        """Write the controller, with the memory of its optimiser."""
        directory.mkdir(parents=True)
        self.learning.save(directory)

    def close(self) -> None:
        """There are no child processes."""


def measured(episodes: Sequence[Episode]) -> JsonObject:
    """The means of some episodes."""
    return {
        "eval/return": float(np.mean([e.value for e in episodes])),
        "eval/episode_steps": float(np.mean([len(e.rewards) for e in episodes])),
        "eval/episode_cost": float(np.mean([e.cost for e in episodes])),
    }


def told(number: int, episode: Episode) -> JsonObject:
    """An episode in words and numbers."""
    said = f"return {episode.value:.4g} in {len(episode.rewards)} steps"
    said += f", cost {episode.cost:.4g}" if episode.cost else ""
    numbers = {"return": episode.value, "steps": len(episode.rewards), "cost": episode.cost}
    return {"prompt": f"episode {number}", "completion": said, **numbers}
