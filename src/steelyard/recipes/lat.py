"""Latent adversarial training on pairs of your own: train lat --model DIR --path pairs.jsonl --retain benign.jsonl.

The paper's for Llama-2-7B: --lora-rank 64 --batch-size 16 --learning-rate 2e-5 --max-steps 400.
--attack untargeted, random and none are the baselines.
"""

from steelyard.unlearn import LAT
from steelyard.unlearn.lat_job import LatentTraining

RECIPE = LatentTraining(objective=LAT(), epochs=3, batch_size=16, learning_rate=1e-5)
