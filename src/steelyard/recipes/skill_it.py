"""Supervised fine-tuning on your own rows with skills, more of what helps those that are not learned (Skill-it)."""

from steelyard.curriculum import SkillIt
from steelyard.pretrain.skill_it_tuning import SkillItTuning

RECIPE = SkillItTuning(curriculum=SkillIt(), graph_steps=50, epochs=3, batch_size=16, learning_rate=1e-5)
