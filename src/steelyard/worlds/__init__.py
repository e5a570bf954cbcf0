"""Small worlds for proofs and studies: invented tasks, tiny policies, teaching loops."""

from steelyard.worlds.addends import Addends
from steelyard.worlds.chains import Chains
from steelyard.worlds.domains import Domains
from steelyard.worlds.facts import Facts
from steelyard.worlds.grammar import Grammar
from steelyard.worlds.habits import Habits
from steelyard.worlds.loophole import Loophole
from steelyard.worlds.safety import ToySafety
from steelyard.worlds.scratchpad import Scratchpad

__all__ = [
    "Addends",
    "Chains",
    "Domains",
    "Facts",
    "Grammar",
    "Habits",
    "Loophole",
    "Scratchpad",
    "ToySafety",
]
