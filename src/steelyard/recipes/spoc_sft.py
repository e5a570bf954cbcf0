"""What comes before spoc: proposals with verdicts to imitate: train spoc-sft --model DIR --path questions.jsonl."""

from steelyard.objective import SFT
from steelyard.pretrain.pair_tuning import PairTuning

RECIPE = PairTuning(objective=SFT(), epochs=3, batch_size=16, learning_rate=1e-5)
