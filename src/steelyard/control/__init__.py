"""Control: systems with states, actions, costs and delays, and learners of controllers from the field's libraries.

A system is plain Python and numpy; gymnasium and stable-baselines3 (pip install 'steelyard[control]') are imported only
where a system becomes a gymnasium environment and where a learner begins. What has a log-probability for each step can
be learned by the objectives of `steelyard.objective`: T counts steps then.
"""

from steelyard.control.delayed import Delayed
from steelyard.control.dichotomy import Dichotomy
from steelyard.control.episodes import Episode, play
from steelyard.control.percentile_bc import PercentileBC
from steelyard.control.ppo import ControlPPO
from steelyard.control.return_conditioned import ReturnConditioned
from steelyard.control.system import Controller, Step, System
from steelyard.control.tabular import Law, best_action, best_values, value_of

__all__ = [
    "ControlPPO",
    "Controller",
    "Delayed",
    "Dichotomy",
    "Episode",
    "Law",
    "PercentileBC",
    "ReturnConditioned",
    "Step",
    "System",
    "best_action",
    "best_values",
    "play",
    "value_of",
]
