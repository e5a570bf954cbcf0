"""The store between searchers and learner: it decides what is admitted, selected and evicted."""

from steelyard.replay.admission import AgeLimit, OverAge
from steelyard.replay.buffer import PrioritizedReplay, ReplayBuffer
from steelyard.replay.draw import Slot, choose_entries, choose_prompts, num_newest, softmax_order
from steelyard.replay.entry import Entry
from steelyard.replay.orders import aged, shuffled
from steelyard.replay.priority import scores
from steelyard.replay.sample_size import HearsOfSteps, age_limit, rate_of
from steelyard.replay.single_use import SingleUse, SingleUseQueue
from steelyard.replay.store import PromptEntries, Store

__all__ = [
    "AgeLimit",
    "Entry",
    "HearsOfSteps",
    "OverAge",
    "PrioritizedReplay",
    "PromptEntries",
    "ReplayBuffer",
    "SingleUse",
    "SingleUseQueue",
    "Slot",
    "Store",
    "age_limit",
    "aged",
    "choose_entries",
    "choose_prompts",
    "num_newest",
    "rate_of",
    "scores",
    "shuffled",
    "softmax_order",
]
