"""How often, and how late, can data be used where each prompt has many right answers?"""

from steelyard.experiments.studies._frontier.study import Frontier, Study

__all__ = ["Study", "measure", "section"]

_FRONTIER = Frontier("frontier-answers", "many-answers")
measure = _FRONTIER.measure
section = _FRONTIER.section
