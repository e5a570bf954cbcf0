"""Small worlds for proofs and studies: invented tasks, tiny policies, teaching loops."""

from steelyard.worlds.checkable_steps import CheckableSteps
from steelyard.worlds.domains import Domains
from steelyard.worlds.facts import Facts
from steelyard.worlds.four_forms import FourForms
from steelyard.worlds.grammar import Grammar
from steelyard.worlds.guessed_sums import GuessedSums
from steelyard.worlds.habits import Habits
from steelyard.worlds.hidden_sums import HiddenSums
from steelyard.worlds.loophole import Loophole
from steelyard.worlds.many_answers import ManyAnswers
from steelyard.worlds.notes import Notes
from steelyard.worlds.page_actions import PageActions
from steelyard.worlds.people import People
from steelyard.worlds.private_codes import PrivateCodes
from steelyard.worlds.safety import ToySafety
from steelyard.worlds.sayings import Sayings
from steelyard.worlds.scratchpad import Scratchpad
from steelyard.worlds.several_skills import SeveralSkills
from steelyard.worlds.topics import Topics
from steelyard.worlds.urns import Urns

__all__ = [
    "CheckableSteps",
    "Domains",
    "Facts",
    "FourForms",
    "Grammar",
    "GuessedSums",
    "Habits",
    "HiddenSums",
    "Loophole",
    "ManyAnswers",
    "Notes",
    "PageActions",
    "People",
    "PrivateCodes",
    "Sayings",
    "Scratchpad",
    "SeveralSkills",
    "Topics",
    "ToySafety",
    "Urns",
]
