"""DPO on pairs of your own: steelyard train offline-dpo --model DIR --path pairs.jsonl."""

from steelyard.objective import DPO
from steelyard.pretrain.preference_tuning import PreferenceTuning

RECIPE = PreferenceTuning(objective=DPO(), epochs=1, batch_size=32, learning_rate=1e-6)
