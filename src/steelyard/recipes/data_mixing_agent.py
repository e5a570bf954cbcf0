"""An agent that mixes domains, fitted on short runs of a proxy on your own rows with domains (Data Mixing Agent)."""

from steelyard.pretrain.mixing_job import FitMixingAgent

RECIPE = FitMixingAgent(batch_size=16, learning_rate=1e-5, eval_steps=100, save_steps=20)
