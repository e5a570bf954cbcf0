"""The store between searchers and learner: it decides what is admitted, selected and evicted."""

from steelyard.replay.admission import AgeLimit, OverAge
from steelyard.replay.buffer import PrioritizedReplay, ReplayBuffer
from steelyard.replay.draw import Slot, choose_entries, choose_prompts, shuffled, softmax_order
from steelyard.replay.entry import Entry
from steelyard.replay.single_use import SingleUse, SingleUseQueue
from steelyard.replay.store import PromptEntries, Store

__all__ = [
    "AgeLimit",
    "Entry",
    "OverAge",
    "PrioritizedReplay",
    "PromptEntries",
    "ReplayBuffer",
    "SingleUse",
    "SingleUseQueue",
    "Slot",
    "Store",
    "choose_entries",
    "choose_prompts",
    "shuffled",
    "softmax_order",
]
