"""How often, and how late, can data be used where a right answer is sampled once in ten thousand times?"""

from steelyard.experiments.studies._frontier.study import Frontier, Study

__all__ = ["Study", "measure", "section"]

_FRONTIER = Frontier("frontier-sparse", "sparse")
measure = _FRONTIER.measure
section = _FRONTIER.section
