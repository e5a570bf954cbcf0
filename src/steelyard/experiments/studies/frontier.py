"""How often, and how late, can data be used? Score and samples by lag, reuse and searchers, where a skill is latent."""

from steelyard.experiments.studies._frontier.study import Frontier, Study

__all__ = ["Study", "measure", "section"]

_FRONTIER = Frontier("frontier", "latent-skill")
measure = _FRONTIER.measure
section = _FRONTIER.section
