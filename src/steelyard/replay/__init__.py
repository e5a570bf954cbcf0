"""The store between searchers and learner: what is admitted, selected and evicted."""

from steelyard.replay.admission import AgeLimit, OverAge
from steelyard.replay.buffer import PrioritizedReplay, ReplayBuffer
from steelyard.replay.draw import Slot, choose_prompts, choose_rows, shuffled, softmax_order
from steelyard.replay.row import Row
from steelyard.replay.single_use import SingleUse, SingleUseQueue
from steelyard.replay.store import Group, Store

__all__ = [
    "AgeLimit",
    "Group",
    "OverAge",
    "PrioritizedReplay",
    "ReplayBuffer",
    "Row",
    "SingleUse",
    "SingleUseQueue",
    "Slot",
    "Store",
    "choose_prompts",
    "choose_rows",
    "shuffled",
    "softmax_order",
]
