"""The learner: samples groups from replay, makes optimiser steps, publishes weights."""

from steelyard.learner.collate import collate, micro_batches
from steelyard.learner.demonstrations import Demonstrator, demonstration, demonstrations_of, end_of, given
from steelyard.learner.learner import Learner, describe_batch
from steelyard.learner.optimizer import Adam

__all__ = [
    "Adam",
    "Demonstrator",
    "Learner",
    "collate",
    "demonstration",
    "demonstrations_of",
    "describe_batch",
    "end_of",
    "given",
    "micro_batches",
]
