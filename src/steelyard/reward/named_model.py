"""A reward model by name, among other rewards: `--reward reward-model:RUN`, `--reward reward-model:DIR=0.5`.

r(x, y) = s(x, y)        of the model that steelyard train bradley-terry or steelyard reward-model wrote
"""

from pathlib import Path

from steelyard.reward.given import reward_source
from steelyard.reward.model import RewardModel

PREFIX = "reward-model"


def named_model(place: str) -> RewardModel:
    """The `Reward` of a run's model, or of a directory or hub id; it is read when it is first asked."""
    of_run = Path(place, "model")
    return RewardModel(str(of_run) if (of_run / "config.json").is_file() else place, device="auto")


reward_source(PREFIX, named_model)
