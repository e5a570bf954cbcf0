"""`steelyard reward-model`: train a calibrated reward model on preferences."""

from collections.abc import Mapping, Sequence

from steelyard.cli.flags import parse
from steelyard.reward import BradleyTerry
from steelyard.training.reward_model import RewardModelRun


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Train the reward model and print its measures on held-out pairs."""
    found = dict(parse(RewardModelRun, words, command="reward-model", default=RewardModelRun(BradleyTerry()))())
    for name, value in found.items():
        print(f"{name:<22} {value:.4f}" if isinstance(value, float) else f"{name:<22} {value}")
    return found
