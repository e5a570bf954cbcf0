"""The short arm: the learner samples, steps and publishes, and waits for nobody once the buffer is warm."""

from steelyard.learner.collate import Group, collate, micro_batches
from steelyard.learner.learner import Learner, describe_batch
from steelyard.learner.optimizer import Adam

__all__ = ["Adam", "Group", "Learner", "collate", "describe_batch", "micro_batches"]
