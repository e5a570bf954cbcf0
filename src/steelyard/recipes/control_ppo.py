"""PPO on an environment of gymnasium: steelyard train control-ppo --env CartPole-v1."""

from steelyard.control.job import ControlJob

RECIPE = ControlJob()
