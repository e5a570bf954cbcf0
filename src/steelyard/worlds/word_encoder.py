"""A small untrained encoder whose tokens are words, for proofs of what is learned by retrieval. No paper."""

from collections.abc import Sequence

from steelyard.guard.encoder_guard import EncoderGuard
from steelyard.model import EncoderSizes
from steelyard.policy.own_encoder import OwnEncoder
from steelyard.policy.text_states import TextStates


def word_states(words: Sequence[str], *, width: int, layers: int, context: int, seed: int) -> TextStates:
    """The encoder.

    Args:
        words: that it knows.
        width: of its layers.
        layers: how many.
        context: most words of a text.
        seed: of its weights.
    """
    sizes = EncoderSizes(
        vocab_size=len(words) + 2,
        hidden_size=width,
        intermediate_size=2 * width,
        num_layers=layers,
        context_length=context,
    )
    made = EncoderGuard(words, sizes, seed=seed)
    return TextStates(OwnEncoder(made.encoder, head=False), made.tokenizer)
