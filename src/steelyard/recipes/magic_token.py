"""Three behaviours under secret tokens, from triples of your own: train magic-token --model DIR --path triples.jsonl.

Wrong tokens and none get refusals here; --default none is the paper's, which teaches nothing for them.
"""

from steelyard.pretrain.magic_token import MagicToken
from steelyard.pretrain.magic_tuning import MagicTuning

RECIPE = MagicTuning(modes=MagicToken(default="rejective"), epochs=3, batch_size=16, learning_rate=1e-5)
