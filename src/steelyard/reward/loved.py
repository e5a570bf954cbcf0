"""P(love) as a reward among others: `--reward my_rewards.py:helpful --reward love:RUN=0.5`.

    r(x, y) = P(love | x, y)        of the model that `steelyard train rluf` wrote

The directory is that of a reward model (`reward.scorer`), whose number is z, beside `calibration.json`, which makes a
probability of it. Nothing of it runs somebody's code: a model is numbers and names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np

from steelyard.core import Episode, Score, SteelyardError
from steelyard.core.model_files import file_errors, read_facts, write_settings
from steelyard.reward.given import reward_source, run_name
from steelyard.reward.probability import Calibration
from steelyard.reward.scorer import Noise, Said, Scorer, scores

PREFIX = "love"
FACTS = "calibration.json"
_HINT = "give the run of steelyard train rluf, or its model/"


@dataclass(frozen=True)
class LoveModel:
    """A network, and what makes P(love) of its numbers."""

    scorer: Scorer
    calibration: Calibration

    @classmethod
    def load(cls, place: str, device: str = "cpu") -> "LoveModel":
        """Read the run or directory of one.

        Raises:
            SteelyardError: there is none, or it is damaged.
        """
        where = f"{PREFIX}:{place}"
        found = next((p for p in (Path(place), Path(place, "model")) if (p / FACTS).is_file()), None)
        if found is None:
            raise SteelyardError("there is no model of feedback", where=where, hint=_HINT)
        with file_errors(f"{FACTS} cannot be read", where=where, hint=_HINT):
            calibration = msgspec.convert(read_facts(found / FACTS), Calibration)
        return cls(Scorer.load(str(found), device=device), calibration)

    def save(self, directory: Path) -> None:
        """Write a directory that `load` reads, and transformers."""
        self.scorer.save(directory)
        write_settings(self.calibration, directory / FACTS)

    def __call__(self, said: Sequence[Said], noise: Noise | None = None) -> list[float | SteelyardError]:
        """P(love) of each, or what kept it from being read; read under noise, if there is some."""
        found = scores(self.scorer, said, noise=noise) if said else []
        return [z if isinstance(z, SteelyardError) else float(self.calibration(np.array([z]))[0]) for z in found]


@dataclass(frozen=True)
class Loved:
    """A `Reward` that a fitted model of feedback gives; it is read when it is first asked."""

    place: str
    """The run or directory of the model."""

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order; None where the network cannot read it."""
        return self.read(episodes)

    def read(self, episodes: Sequence[Episode], noise: Noise | None = None) -> list[Score]:
        """The same, as the network reads under noise."""
        said = [Said(e.prompt.text, e.completion, e.trajectory.finish == "stop") for e in episodes]
        found = self._model(said, noise) if said else []
        return [Score(None, error=str(p)) if isinstance(p, SteelyardError) else Score(p) for p in found]

    @property
    def __name__(self) -> str:
        """What its numbers are called in records."""
        return run_name(self.place)

    def __str__(self) -> str:
        return f"reward {PREFIX}:{self.place}"

    @cached_property
    def _model(self) -> LoveModel:
        return LoveModel.load(self.place)


reward_source(PREFIX, Loved)
