"""The short arm: the learner samples, steps and publishes, and waits for nobody once the buffer is warm."""

from steelyard.learner.collate import Group, collate, micro_batches
from steelyard.learner.demonstrations import Demonstrator, demonstration, demonstrations_of, end_of, given
from steelyard.learner.learner import Learner, describe_batch
from steelyard.learner.optimizer import Adam

__all__ = [
    "Adam",
    "Demonstrator",
    "Group",
    "Learner",
    "collate",
    "demonstration",
    "demonstrations_of",
    "describe_batch",
    "end_of",
    "given",
    "micro_batches",
]
