"""Supervised fine-tuning on your own rows with skills, more of those that the model is found to miss (STAT-Sel)."""

from steelyard.curriculum import STAT
from steelyard.pretrain.stat_tuning import STATTuning
from steelyard.task.skilled import SKILL

RECIPE = STATTuning(curriculum=STAT(skills=SKILL), validation_rows=500, epochs=3, batch_size=16, learning_rate=1e-5)
